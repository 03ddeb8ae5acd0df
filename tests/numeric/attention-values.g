# values beside queries and keys in one result, read by attention and by a depthwise convolution
# range w2 -0.5 0.5
# range w3 -0.5 0.5
graph attn(%1 x: f32[1,32,6,8]) {
  %2 "w2" = param : f32[64,32,1,1]
  %3 "w3" = param : f32[32,32,1,1]
  %4 "b2" = param : f32[64]
  %5 "b3" = param : f32[32]
  %6 "w6" = param : f32[32,1,5,5]
  %7 = conv2d %1, %2, %4 {stride=[1,1], pad=[0,0]} : f32[1,64,6,8]
  %8 = conv2d %1, %3, %5 {stride=[1,1], pad=[0,0]} : f32[1,32,6,8]
  %9 = slice %7 {axis=1, begin=0, end=32} : f32[1,32,6,8]
  %10 = slice %7 {axis=1, begin=32, end=64} : f32[1,32,6,8]
  %11 = attention %9, %10, %8 {heads=1, windows=2} : f32[1,32,6,8]
  %12 = conv2d %8, %6 {stride=[1,1], pad=[2,2], groups=32} : f32[1,32,6,8]
  %13 = add %11, %12 : f32[1,32,6,8]
  return y=%13
}
