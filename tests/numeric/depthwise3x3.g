# depthwise 3x3
graph conv(%1 x: f32[1,24,9,13]) {
  %2 "w" = param : f32[24,1,3,3]
  %3 "b" = param : f32[24]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1], groups=24} : f32[1,24,9,13]
  %5 = sigmoid %4 : f32[1,24,9,13]
  %6 = mul %4, %5 : f32[1,24,9,13]
  return y=%6
}
