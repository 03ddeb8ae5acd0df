# warpgroups: no pad, a filter of another size
# tile 64 16 32 4 1 0 1
# tol 2e-4
graph conv(%1 x: f32[1,32,9,11]) {
  %2 "w" = param : f32[16,32,5,5]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[1,16,5,7]
  %5 = sigmoid %4 : f32[1,16,5,7]
  %6 = mul %4, %5 : f32[1,16,5,7]
  return y=%6
}
