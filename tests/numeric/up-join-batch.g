# the same for two pictures of odd shapes, the enlarged half second, an activation on the sum
# range w3 -0.3 0.3
graph up(%1 x: f32[2,16,3,5], %2 kept: f32[2,24,6,10]) {
  %3 "w1" = param : f32[16,24,1,1]
  %4 "w2" = param : f32[40,16,1,1]
  %5 "w3" = param : f32[24,56,1,1]
  %6 "b3" = param : f32[24]
  %7 = conv2d %2, %3 {stride=[1,1], pad=[0,0]} : f32[2,16,6,10]
  %8 = conv2d %1, %4 {stride=[1,1], pad=[0,0]} : f32[2,40,3,5]
  %9 = tanh %8 : f32[2,40,3,5]
  %10 = tanh %7 : f32[2,16,6,10]
  %11 = resize %9 {factor=2} : f32[2,40,6,10]
  %12 = concat %10, %11 {axis=1} : f32[2,56,6,10]
  %13 = conv2d %12, %5, %6 {stride=[1,1], pad=[0,0]} : f32[2,24,6,10]
  %14 = sigmoid %13 : f32[2,24,6,10]
  %15 = mul %13, %14 : f32[2,24,6,10]
  return y=%15
}
