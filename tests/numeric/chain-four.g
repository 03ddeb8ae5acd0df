# a 3x3 convolution with stride, three 1x1 behind it; 24 and 8 channels leave columns that must be zeros
# chain 16 1 4 1
# range w1 -0.14 0.14
# range w2 -0.17 0.17
# range w3 -0.6 0.6
# range w4 -0.35 0.35
graph conv(%1 x: f32[2,16,9,11]) {
  %2 "w1" = param : f32[96,16,3,3]
  %3 "b1" = param : f32[96]
  %4 "w2" = param : f32[8,96,1,1]
  %5 "w3" = param : f32[24,8,1,1]
  %6 "w4" = param : f32[48,24,1,1]
  %7 "b4" = param : f32[48]
  %8 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1]} : f32[2,96,5,6]
  %9 = sigmoid %8 : f32[2,96,5,6]
  %10 = mul %8, %9 : f32[2,96,5,6]
  %11 = conv2d %10, %4 {stride=[1,1], pad=[0,0]} : f32[2,8,5,6]
  %12 = tanh %11 : f32[2,8,5,6]
  %13 = conv2d %12, %5 {stride=[1,1], pad=[0,0]} : f32[2,24,5,6]
  %14 = sigmoid %13 : f32[2,24,5,6]
  %15 = mul %13, %14 : f32[2,24,5,6]
  %16 = conv2d %15, %6, %7 {stride=[1,1], pad=[0,0]} : f32[2,48,5,6]
  return y=%16
}
