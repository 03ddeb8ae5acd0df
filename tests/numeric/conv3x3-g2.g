# two groups
graph conv(%1 x: f32[1,8,9,9]) {
  %2 "w" = param : f32[32,4,3,3]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1], groups=2} : f32[1,32,5,5]
  %5 = sigmoid %4 : f32[1,32,5,5]
  %6 = mul %4, %5 : f32[1,32,5,5]
  return y=%6
}
