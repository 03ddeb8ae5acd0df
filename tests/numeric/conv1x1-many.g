# 80 channels out, batch 3
graph conv(%1 x: f32[3,16,6,6]) {
  %2 "w" = param : f32[80,16,1,1]
  %3 "b" = param : f32[80]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[3,80,6,6]
  return y=%4
}
