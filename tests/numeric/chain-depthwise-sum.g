# a depthwise 5x5 with something added, in runs of four pixels; a projection with a residual behind it, more tiles than blocks
# chain 16 1 4 1
# range w1 -0.3 0.3
# range w2 -0.25 0.25
# range w8 -0.6 0.6
# range w9 -0.6 0.6
graph conv(%1 x: f32[3,32,10,12], %2 r: f32[3,8,10,12]) {
  %4 "w1" = param : f32[32,1,5,5]
  %5 "b1" = param : f32[32]
  %6 "w2" = param : f32[48,32,1,1]
  %7 "b2" = param : f32[48]
  %12 "w8" = param : f32[32,8,3,3]
  %13 "w9" = param : f32[48,8,3,3]
  %14 = conv2d %2, %12 {stride=[1,1], pad=[1,1]} : f32[3,32,10,12]
  %15 = tanh %14 : f32[3,32,10,12]
  %16 = conv2d %2, %13 {stride=[1,1], pad=[1,1]} : f32[3,48,10,12]
  %17 = tanh %16 : f32[3,48,10,12]
  %8 = conv2d %1, %4, %5 {stride=[1,1], pad=[2,2], groups=32} : f32[3,32,10,12]
  %9 = add %8, %15 : f32[3,32,10,12]
  %10 = conv2d %9, %6, %7 {stride=[1,1], pad=[0,0]} : f32[3,48,10,12]
  %11 = add %10, %17 : f32[3,48,10,12]
  return o=%11
}
