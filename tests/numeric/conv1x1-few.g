# 6 channels out: lanes that do not exist
graph conv(%1 x: f32[1,64,5,5]) {
  %2 "w" = param : f32[6,64,1,1]
  %3 "b" = param : f32[6]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[1,6,5,5]
  return y=%4
}
