# odd sizes: 5 channels to 7, 9 x 11
graph conv(%1 x: f32[2,5,9,11]) {
  %2 "w" = param : f32[7,5,3,3]
  %3 "b" = param : f32[7]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,7,9,11]
  %5 = sigmoid %4 : f32[2,7,9,11]
  %6 = mul %4, %5 : f32[2,7,9,11]
  return y=%6
}
