# stride 2, several middle tiles
graph conv(%1 x: f32[1,4,6,90]) {
  %2 "w" = param : f32[16,4,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1]} : f32[1,16,3,45]
  %5 = sigmoid %4 : f32[1,16,3,45]
  %6 = mul %4, %5 : f32[1,16,3,45]
  return y=%6
}
