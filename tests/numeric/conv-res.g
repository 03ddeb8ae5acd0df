# a residual joins the epilogue
graph conv(%1 x: f32[1,16,8,8], %9 r: f32[1,16,8,8]) {
  %2 "w" = param : f32[16,16,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,16,8,8]
  %5 = sigmoid %4 : f32[1,16,8,8]
  %6 = mul %4, %5 : f32[1,16,8,8]
  %7 = add %6, %9 : f32[1,16,8,8]
  return y=%7
}
