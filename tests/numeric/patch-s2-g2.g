# a patch, step 2, both groups in a block
# tile 4 16 32 1 4 1 2
# tol 2e-4
graph conv(%1 x: f32[1,16,26,33]) {
  %2 "w" = param : f32[32,8,3,3]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1], groups=2} : f32[1,32,13,17]
  %5 = sigmoid %4 : f32[1,32,13,17]
  %6 = mul %4, %5 : f32[1,32,13,17]
  return y=%6
}
