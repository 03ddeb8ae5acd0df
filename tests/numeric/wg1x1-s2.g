# warpgroups: 1x1 with a step
# tile 64 32 64 1 1 0 1
# tol 2e-4
graph conv(%1 x: f32[1,64,9,9]) {
  %2 "w" = param : f32[32,64,1,1]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[0,0]} : f32[1,32,5,5]
  %5 = sigmoid %4 : f32[1,32,5,5]
  %6 = mul %4, %5 : f32[1,32,5,5]
  return y=%6
}
