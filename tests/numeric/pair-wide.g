# a tile wider than the map, warps of which some have nothing to make
# pair 4 32 8 4 1 1
# same
# range w1 -0.24 0.24
# range w2 -0.24 0.24
# tol 2e-4
graph pair(%1 x: f32[2,8,5,18]) {
  %2 "w1" = param : f32[8,8,3,3]
  %3 "b1" = param : f32[8]
  %4 "w2" = param : f32[8,8,3,3]
  %5 "b2" = param : f32[8]
  %6 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,8,5,18]
  %7 = sigmoid %6 : f32[2,8,5,18]
  %8 = mul %6, %7 : f32[2,8,5,18]
  %9 = conv2d %8, %4, %5 {stride=[1,1], pad=[1,1]} : f32[2,8,5,18]
  %10 = sigmoid %9 : f32[2,8,5,18]
  %11 = mul %9, %10 : f32[2,8,5,18]
  return y=%11
}
