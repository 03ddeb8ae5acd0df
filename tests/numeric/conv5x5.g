# 5x5, pad 2
graph conv(%1 x: f32[1,6,8,20]) {
  %2 "w" = param : f32[12,6,5,5]
  %3 "b" = param : f32[12]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[2,2]} : f32[1,12,8,20]
  %5 = sigmoid %4 : f32[1,12,8,20]
  %6 = mul %4, %5 : f32[1,12,8,20]
  return y=%6
}
