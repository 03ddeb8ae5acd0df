# a depthwise convolution, two 1x1 behind it; 40 channels leave columns that must be zeros, rows of 11 no runs of pixels
# chain 32 2 2 1
# range w1 -0.5 0.5
# range w2 -0.25 0.25
# range w3 -0.25 0.25
graph conv(%1 x: f32[2,40,9,11]) {
  %2 "w1" = param : f32[40,1,3,3]
  %3 "b1" = param : f32[40]
  %4 "w2" = param : f32[56,40,1,1]
  %5 "b2" = param : f32[56]
  %6 "w3" = param : f32[24,56,1,1]
  %7 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1], groups=40} : f32[2,40,9,11]
  %8 = sigmoid %7 : f32[2,40,9,11]
  %9 = mul %7, %8 : f32[2,40,9,11]
  %10 = conv2d %9, %4, %5 {stride=[1,1], pad=[0,0]} : f32[2,56,9,11]
  %11 = sigmoid %10 : f32[2,56,9,11]
  %12 = mul %10, %11 : f32[2,56,9,11]
  %13 = conv2d %12, %6 {stride=[1,1], pad=[0,0]} : f32[2,24,9,11]
  return y=%13
}
