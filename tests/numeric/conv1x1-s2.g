# 1x1 with stride 2 is not one long row
graph conv(%1 x: f32[1,8,7,9]) {
  %2 "w" = param : f32[16,8,1,1]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[0,0]} : f32[1,16,4,5]
  %5 = sigmoid %4 : f32[1,16,4,5]
  %6 = mul %4, %5 : f32[1,16,4,5]
  return y=%6
}
