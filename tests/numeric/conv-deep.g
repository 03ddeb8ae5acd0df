# many channels: blocks of weights beside each other
graph conv(%1 x: f32[1,70,4,5]) {
  %2 "w" = param : f32[72,70,3,3]
  %3 "b" = param : f32[72]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,72,4,5]
  %5 = sigmoid %4 : f32[1,72,4,5]
  %6 = mul %4, %5 : f32[1,72,4,5]
  return y=%6
}
