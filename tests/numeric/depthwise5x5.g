# depthwise 5x5, no activation
graph conv(%1 x: f32[2,32,7,6]) {
  %2 "w" = param : f32[32,1,5,5]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[2,2], groups=32} : f32[2,32,7,6]
  return y=%4
}
