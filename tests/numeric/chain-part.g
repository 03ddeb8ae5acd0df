# the other part of the concat would begin in the middle of 16 bytes if it lay elsewhere: only what is behind the concat is a chain
# chain 16 1 4 1
# range w1 -0.4 0.4
# range w2 -0.3 0.3
# range w3 -0.2 0.2
# range w4 -0.3 0.3
graph conv(%1 x: f32[2,16,6,6]) {
  %2 "w4" = param : f32[24,32,1,1]
  %3 "w1" = param : f32[28,16,1,1]
  %4 "w2" = param : f32[24,24,1,1]
  %5 "w3" = param : f32[32,48,1,1]
  %17 "w0" = param : f32[24,4,1,1]
  %6 = conv2d %1, %3 {stride=[1,1], pad=[0,0]} : f32[2,28,6,6]
  %7 = tanh %6 : f32[2,28,6,6]
  %8 = slice %7 {axis=1, begin=4, end=28} : f32[2,24,6,6]
  %18 = slice %7 {axis=1, begin=0, end=4} : f32[2,4,6,6]
  %19 = conv2d %18, %17 {stride=[1,1], pad=[0,0]} : f32[2,24,6,6]
  %20 = tanh %19 : f32[2,24,6,6]
  %9 = conv2d %20, %4 {stride=[1,1], pad=[0,0]} : f32[2,24,6,6]
  %10 = tanh %9 : f32[2,24,6,6]
  %12 = concat %10, %8 {axis=1} : f32[2,48,6,6]
  %13 = conv2d %12, %5 {stride=[1,1], pad=[0,0]} : f32[2,32,6,6]
  %14 = tanh %13 : f32[2,32,6,6]
  %15 = conv2d %14, %2 {stride=[1,1], pad=[0,0]} : f32[2,24,6,6]
  return y=%15
}
