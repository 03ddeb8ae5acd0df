# depthwise with stride 2
graph conv(%1 x: f32[1,40,9,27]) {
  %2 "w" = param : f32[40,1,3,3]
  %3 "b" = param : f32[40]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1], groups=40} : f32[1,40,5,14]
  %5 = sigmoid %4 : f32[1,40,5,14]
  %6 = mul %4, %5 : f32[1,40,5,14]
  return y=%6
}
