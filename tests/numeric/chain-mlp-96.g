# the same of 96 and 48 channels, whose sweeps do not come out even on four warps
# chain 16 1 4 1
# range w1 -0.17 0.17
# range w2 -0.17 0.17
# range w3 -0.25 0.25
# range w0 -0.6 0.6
# same
graph conv(%1 x: f32[1,96,6,11], %2 r: f32[1,8,6,11]) {
  %3 "w1" = param : f32[96,96,1,1]
  %4 "b1" = param : f32[96]
  %5 "w2" = param : f32[48,96,1,1]
  %6 "b2" = param : f32[48]
  %7 "w3" = param : f32[96,48,1,1]
  %8 "b3" = param : f32[96]
  %16 "w0" = param : f32[96,8,3,3]
  %17 = conv2d %2, %16 {stride=[1,1], pad=[1,1]} : f32[1,96,6,11]
  %18 = tanh %17 : f32[1,96,6,11]
  %9 = conv2d %1, %3, %4 {stride=[1,1], pad=[0,0]} : f32[1,96,6,11]
  %10 = add %18, %9 : f32[1,96,6,11]
  %11 = conv2d %10, %5, %6 {stride=[1,1], pad=[0,0]} : f32[1,48,6,11]
  %12 = sigmoid %11 : f32[1,48,6,11]
  %13 = mul %11, %12 : f32[1,48,6,11]
  %14 = conv2d %13, %7, %8 {stride=[1,1], pad=[0,0]} : f32[1,96,6,11]
  %15 = add %10, %14 : f32[1,96,6,11]
  return y=%15
}
