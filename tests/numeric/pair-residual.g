# two of 3x3, and a residual around both
# pair 8 8 16 4 1 1
# same
# range w1 -0.15 0.15
# range w2 -0.2 0.2
# tol 1e-4
graph pair(%1 x: f32[2,16,13,19]) {
  %2 "w1" = param : f32[8,16,3,3]
  %3 "b1" = param : f32[8]
  %4 "w2" = param : f32[16,8,3,3]
  %5 "b2" = param : f32[16]
  %6 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,8,13,19]
  %7 = sigmoid %6 : f32[2,8,13,19]
  %8 = mul %6, %7 : f32[2,8,13,19]
  %9 = conv2d %8, %4, %5 {stride=[1,1], pad=[1,1]} : f32[2,16,13,19]
  %10 = sigmoid %9 : f32[2,16,13,19]
  %11 = mul %9, %10 : f32[2,16,13,19]
  %12 = add %1, %11 : f32[2,16,13,19]
  return y=%12
}
