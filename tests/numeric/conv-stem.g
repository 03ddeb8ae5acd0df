# three channels in
graph conv(%1 x: f32[1,3,16,32]) {
  %2 "w" = param : f32[16,3,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1]} : f32[1,16,8,16]
  %5 = sigmoid %4 : f32[1,16,8,16]
  %6 = mul %4, %5 : f32[1,16,8,16]
  return y=%6
}
