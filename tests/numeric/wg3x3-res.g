# warpgroups: a residual
# tile 64 64 64 5 1 0 1
# tol 2e-4
graph conv(%1 x: f32[1,64,8,8]) {
  %2 "w" = param : f32[64,64,3,3]
  %3 "b" = param : f32[64]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,64,8,8]
  %5 = sigmoid %4 : f32[1,64,8,8]
  %6 = mul %4, %5 : f32[1,64,8,8]
  %7 = add %6, %1 : f32[1,64,8,8]
  return y=%7
}
