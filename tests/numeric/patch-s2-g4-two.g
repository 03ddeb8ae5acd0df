# a patch, step 2, two of four groups in a block
# tile 4 8 32 1 2 2 2
# tol 2e-4
graph conv(%1 x: f32[1,64,15,18]) {
  %2 "w" = param : f32[64,16,3,3]
  %3 "b" = param : f32[64]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1], groups=4} : f32[1,64,8,9]
  %5 = sigmoid %4 : f32[1,64,8,9]
  %6 = mul %4, %5 : f32[1,64,8,9]
  return y=%6
}
