# stride 2 and a width that leaves a remainder
graph conv(%1 x: f32[1,8,14,30]) {
  %2 "w" = param : f32[16,8,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1]} : f32[1,16,7,15]
  %5 = sigmoid %4 : f32[1,16,7,15]
  %6 = mul %4, %5 : f32[1,16,7,15]
  return y=%6
}
