# warpgroups: a residual through the ring, 16 channels a box, four a lane
# tile 64 48 64 3 1 0 1
# tol 2e-4
graph conv(%1 x: f32[2,48,7,9]) {
  %2 "w" = param : f32[48,48,3,3]
  %3 "b" = param : f32[48]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,48,7,9]
  %5 = sigmoid %4 : f32[2,48,7,9]
  %6 = mul %4, %5 : f32[2,48,7,9]
  %7 = add %6, %1 : f32[2,48,7,9]
  return y=%7
}
