# a patch: 8 columns
# tile 4 32 8 3 4 1 2
# tol 2e-4
graph conv(%1 x: f32[1,16,21,40]) {
  %2 "w" = param : f32[8,16,3,3]
  %3 "b" = param : f32[8]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,8,21,40]
  %5 = sigmoid %4 : f32[1,8,21,40]
  %6 = mul %4, %5 : f32[1,8,21,40]
  return y=%6
}
