# warpgroups: whatever tile is chosen
# tol 2e-4
graph conv(%1 x: f32[1,64,10,10]) {
  %2 "w" = param : f32[64,64,3,3]
  %3 "b" = param : f32[64]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,64,10,10]
  %5 = sigmoid %4 : f32[1,64,10,10]
  %6 = mul %4, %5 : f32[1,64,10,10]
  return y=%6
}
