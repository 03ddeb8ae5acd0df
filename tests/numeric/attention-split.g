# queries and keys are halves of one convolution
# range wqk -0.3 0.3
graph attend(%1 x: f32[1,32,6,4]) {
  %2 "wqk" = param : f32[64,32,1,1]
  %3 "wv" = param : f32[32,32,1,1]
  %4 = conv2d %1, %2 {stride=[1,1], pad=[0,0]} : f32[1,64,6,4]
  %5 = conv2d %1, %3 {stride=[1,1], pad=[0,0]} : f32[1,32,6,4]
  %6 = slice %4 {axis=1, begin=0, end=32} : f32[1,32,6,4]
  %7 = slice %4 {axis=1, begin=32, end=64} : f32[1,32,6,4]
  %8 = attention %6, %7, %5 {heads=1, windows=4} : f32[1,32,6,4]
  return o=%8
}
