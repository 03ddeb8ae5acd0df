# a patch: 5x5, no border
# tile 8 8 8 1 4 1 2
# tol 2e-4
graph conv(%1 x: f32[1,8,20,21]) {
  %2 "w" = param : f32[8,8,5,5]
  %3 "b" = param : f32[8]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[1,8,16,17]
  %5 = sigmoid %4 : f32[1,8,16,17]
  %6 = mul %4, %5 : f32[1,8,16,17]
  return y=%6
}
