# two ways through bottlenecks: their first convolutions are one, and half of what it makes is written over
# range w2 -0.4 0.4
# range w3 -0.4 0.4
# range w4 -0.2 0.2
# range w5 -0.2 0.2
# range w6 -0.3 0.3
graph ways(%1 x: f32[2,24,9,7]) {
  %2 "w2" = param : f32[16,24,1,1]
  %3 "w3" = param : f32[16,24,1,1]
  %4 "w4" = param : f32[16,16,3,3]
  %5 "w5" = param : f32[16,16,3,3]
  %6 "w6" = param : f32[24,32,1,1]
  %7 "b7" = param : f32[16]
  %8 "b8" = param : f32[16]
  %10 = conv2d %1, %2, %7 {stride=[1,1], pad=[0,0]} : f32[2,16,9,7]
  %11 = tanh %10 : f32[2,16,9,7]
  %12 = conv2d %1, %3, %8 {stride=[1,1], pad=[0,0]} : f32[2,16,9,7]
  %13 = tanh %12 : f32[2,16,9,7]
  %14 = conv2d %11, %4 {stride=[1,1], pad=[1,1]} : f32[2,16,9,7]
  %15 = tanh %14 : f32[2,16,9,7]
  %16 = conv2d %15, %5 {stride=[1,1], pad=[1,1]} : f32[2,16,9,7]
  %17 = tanh %16 : f32[2,16,9,7]
  %18 = add %17, %11 : f32[2,16,9,7]
  %19 = conv2d %18, %4 {stride=[1,1], pad=[1,1]} : f32[2,16,9,7]
  %20 = tanh %19 : f32[2,16,9,7]
  %21 = concat %20, %13 {axis=1} : f32[2,32,9,7]
  %22 = conv2d %21, %6 {stride=[1,1], pad=[0,0]} : f32[2,24,9,7]
  return y=%22
}
