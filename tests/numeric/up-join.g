# an enlarged map and a kept one joined, then a convolution
# range w3 -0.2 0.2
graph up(%1 x: f32[1,8,4,4], %2 kept: f32[1,16,8,8]) {
  %3 "w1" = param : f32[16,8,1,1]
  %4 "w2" = param : f32[16,16,3,3]
  %5 "w3" = param : f32[8,32,1,1]
  %6 = conv2d %1, %3 {stride=[1,1], pad=[0,0]} : f32[1,16,4,4]
  %7 = conv2d %2, %4 {stride=[1,1], pad=[1,1]} : f32[1,16,8,8]
  %8 = resize %6 {factor=2} : f32[1,16,8,8]
  %9 = concat %8, %7 {axis=1} : f32[1,32,8,8]
  %10 = conv2d %9, %5 {stride=[1,1], pad=[0,0]} : f32[1,8,8,8]
  return y=%10
}
