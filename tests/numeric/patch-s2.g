# a patch, step 2: columns apart by their rest
# tile 8 8 16 2 4 1 2
# tol 2e-4
graph conv(%1 x: f32[2,16,31,38]) {
  %2 "w" = param : f32[16,16,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1]} : f32[2,16,16,19]
  %5 = sigmoid %4 : f32[2,16,16,19]
  %6 = mul %4, %5 : f32[2,16,16,19]
  return y=%6
}
