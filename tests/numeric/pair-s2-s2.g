# a step in both, no bias of the first, a part of a group's columns
# pair 8 8 16 2 2 1
# same
# range w1 -0.17 0.17
# range w2 -0.17 0.17
# tol 2e-4
graph pair(%1 x: f32[2,16,45,38]) {
  %2 "w1" = param : f32[32,16,3,3]
  %3 "w2" = param : f32[64,16,3,3]
  %4 "b2" = param : f32[64]
  %5 = conv2d %1, %2 {stride=[2,2], pad=[1,1]} : f32[2,32,23,19]
  %6 = sigmoid %5 : f32[2,32,23,19]
  %7 = mul %5, %6 : f32[2,32,23,19]
  %8 = conv2d %7, %3, %4 {stride=[2,2], pad=[1,1], groups=2} : f32[2,64,12,10]
  %9 = sigmoid %8 : f32[2,64,12,10]
  %10 = mul %8, %9 : f32[2,64,12,10]
  return y=%10
}
