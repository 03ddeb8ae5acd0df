# 1x1 over one long row
graph conv(%1 x: f32[1,24,9,7]) {
  %2 "w" = param : f32[40,24,1,1]
  %3 "b" = param : f32[40]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[1,40,9,7]
  %5 = sigmoid %4 : f32[1,40,9,7]
  %6 = mul %4, %5 : f32[1,40,9,7]
  return y=%6
}
