# depthwise 7x7 on a width below the tile
graph conv(%1 x: f32[1,16,5,5]) {
  %2 "w" = param : f32[16,1,7,7]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[3,3], groups=16} : f32[1,16,5,5]
  %5 = sigmoid %4 : f32[1,16,5,5]
  %6 = mul %4, %5 : f32[1,16,5,5]
  return y=%6
}
