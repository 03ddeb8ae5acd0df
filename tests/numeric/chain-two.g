# two 1x1 convolutions in one kernel: 8 channels are less than a step of 16, and 126 rows are no whole tiles
# chain 16 1 4 1
# range w1 -0.6 0.6
# range w2 -0.25 0.25
graph conv(%1 x: f32[2,8,7,9]) {
  %2 "w1" = param : f32[48,8,1,1]
  %3 "b1" = param : f32[48]
  %4 "w2" = param : f32[80,48,1,1]
  %5 "b2" = param : f32[80]
  %6 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[2,48,7,9]
  %7 = sigmoid %6 : f32[2,48,7,9]
  %8 = mul %6, %7 : f32[2,48,7,9]
  %9 = conv2d %8, %4, %5 {stride=[1,1], pad=[0,0]} : f32[2,80,7,9]
  return y=%9
}
