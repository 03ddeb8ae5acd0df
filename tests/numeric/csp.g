# split, bottleneck with its residual, three parts joined: all in one buffer
graph csp(%1 x: f32[1,16,8,8]) {
  %2 "w1" = param : f32[32,16,1,1]
  %3 "w2" = param : f32[8,16,3,3]
  %4 "w3" = param : f32[16,8,3,3]
  %5 "w4" = param : f32[24,48,1,1]
  %6 = conv2d %1, %2 {stride=[1,1], pad=[0,0]} : f32[1,32,8,8]
  %7 = tanh %6 : f32[1,32,8,8]
  %8 = slice %7 {axis=1, begin=0, end=16} : f32[1,16,8,8]
  %9 = slice %7 {axis=1, begin=16, end=32} : f32[1,16,8,8]
  %10 = conv2d %9, %3 {stride=[1,1], pad=[1,1]} : f32[1,8,8,8]
  %11 = tanh %10 : f32[1,8,8,8]
  %12 = conv2d %11, %4 {stride=[1,1], pad=[1,1]} : f32[1,16,8,8]
  %13 = tanh %12 : f32[1,16,8,8]
  %14 = add %13, %9 : f32[1,16,8,8]
  %15 = concat %8, %9, %14 {axis=1} : f32[1,48,8,8]
  %16 = conv2d %15, %5 {stride=[1,1], pad=[0,0]} : f32[1,24,8,8]
  return y=%16
}
