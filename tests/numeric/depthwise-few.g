# depthwise with 3 channels
graph conv(%1 x: f32[1,3,6,8]) {
  %2 "w" = param : f32[3,1,3,3]
  %3 "b" = param : f32[3]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1], groups=3} : f32[1,3,6,8]
  %5 = sigmoid %4 : f32[1,3,6,8]
  %6 = mul %4, %5 : f32[1,3,6,8]
  return y=%6
}
