# warpgroups: 32 channels a slab, more slabs than stages
# tile 64 16 32 4 1 0 1
# tol 2e-4
graph conv(%1 x: f32[1,96,6,11]) {
  %2 "w" = param : f32[24,96,3,3]
  %3 "b" = param : f32[24]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,24,6,11]
  %5 = sigmoid %4 : f32[1,24,6,11]
  %6 = mul %4, %5 : f32[1,24,6,11]
  return y=%6
}
