# 3x3, stride 1, pad 1, SiLU
graph conv(%1 x: f32[1,16,10,12]) {
  %2 "w" = param : f32[32,16,3,3]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,32,10,12]
  %5 = sigmoid %4 : f32[1,32,10,12]
  %6 = mul %4, %5 : f32[1,32,10,12]
  return y=%6
}
