# channels that are no power of two; three halves under a tap
# pair 8 8 24 4 1 1
# same
# range w1 -0.14 0.14
# range w2 -0.14 0.14
# tol 2e-4
graph pair(%1 x: f32[1,24,12,9]) {
  %2 "w1" = param : f32[24,24,3,3]
  %3 "b1" = param : f32[24]
  %4 "w2" = param : f32[24,24,3,3]
  %5 "b2" = param : f32[24]
  %6 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,24,12,9]
  %7 = sigmoid %6 : f32[1,24,12,9]
  %8 = mul %6, %7 : f32[1,24,12,9]
  %9 = conv2d %8, %4, %5 {stride=[1,1], pad=[1,1]} : f32[1,24,12,9]
  %10 = sigmoid %9 : f32[1,24,12,9]
  %11 = mul %9, %10 : f32[1,24,12,9]
  return y=%11
}
