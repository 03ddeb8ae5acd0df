# 1x1, and 3x3 with a step and groups, a block makes two of the four
# pair 8 8 32 4 2 1
# same
# range w1 -0.29 0.29
# range w2 -0.17 0.17
# tol 2e-4
graph pair(%1 x: f32[1,48,30,29]) {
  %2 "w1" = param : f32[64,48,1,1]
  %3 "b1" = param : f32[64]
  %4 "w2" = param : f32[64,16,3,3]
  %5 "b2" = param : f32[64]
  %6 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[1,64,30,29]
  %7 = sigmoid %6 : f32[1,64,30,29]
  %8 = mul %6, %7 : f32[1,64,30,29]
  %9 = conv2d %8, %4, %5 {stride=[2,2], pad=[1,1], groups=4} : f32[1,64,15,15]
  %10 = sigmoid %9 : f32[1,64,15,15]
  %11 = mul %9, %10 : f32[1,64,15,15]
  return y=%11
}
