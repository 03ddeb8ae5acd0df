# 3x3 without padding, no bias
graph conv(%1 x: f32[1,4,8,9]) {
  %2 "w" = param : f32[8,4,3,3]
  %4 = conv2d %1, %2 {stride=[1,1], pad=[0,0]} : f32[1,8,6,7]
  return y=%4
}
