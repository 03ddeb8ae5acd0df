# stride 1, several middle tiles and a remainder
graph conv(%1 x: f32[1,4,3,65]) {
  %2 "w" = param : f32[32,4,3,3]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,32,3,65]
  %5 = sigmoid %4 : f32[1,32,3,65]
  %6 = mul %4, %5 : f32[1,32,3,65]
  return y=%6
}
