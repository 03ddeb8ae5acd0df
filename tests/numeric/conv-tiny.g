# a picture smaller than the kernel
graph conv(%1 x: f32[1,4,1,1]) {
  %2 "w" = param : f32[8,4,3,3]
  %3 "b" = param : f32[8]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,8,1,1]
  %5 = sigmoid %4 : f32[1,8,1,1]
  %6 = mul %4, %5 : f32[1,8,1,1]
  return y=%6
}
