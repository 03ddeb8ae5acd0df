# 3x3, and 5x5 whose halo is two pixels
# pair 8 16 16 8 1 1
# same
# range w1 -0.24 0.24
# range w2 -0.14 0.14
# tol 2e-4
graph pair(%1 x: f32[1,8,17,23]) {
  %2 "w1" = param : f32[8,8,3,3]
  %3 "b1" = param : f32[8]
  %4 "w2" = param : f32[16,8,5,5]
  %5 "b2" = param : f32[16]
  %6 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,8,17,23]
  %7 = sigmoid %6 : f32[1,8,17,23]
  %8 = mul %6, %7 : f32[1,8,17,23]
  %9 = conv2d %8, %4, %5 {stride=[1,1], pad=[2,2]} : f32[1,16,17,23]
  return y=%9
}
