# the end of an attention's block, and the convolution that makes queries, keys and values for the next one
# chain 16 1 8 1
# also
# range w1 -0.21 0.21
# range w2 -0.21 0.21
# range w3 -0.15 0.15
# range w4 -0.21 0.21
# range w5 -0.1 0.1
# range w0 -0.6 0.6
# same
graph conv(%1 x: f32[2,64,5,7], %2 r: f32[2,8,5,7]) {
  %3 "w1" = param : f32[64,64,1,1]
  %4 "b1" = param : f32[64]
  %5 "w2" = param : f32[128,64,1,1]
  %6 "b2" = param : f32[128]
  %7 "w3" = param : f32[64,128,1,1]
  %8 "b3" = param : f32[64]
  %16 "w0" = param : f32[64,8,3,3]
  %19 "w4" = param : f32[192,64,1,1]
  %20 "w5" = param : f32[64,64,3,3]
  %17 = conv2d %2, %16 {stride=[1,1], pad=[1,1]} : f32[2,64,5,7]
  %18 = tanh %17 : f32[2,64,5,7]
  %9 = conv2d %1, %3, %4 {stride=[1,1], pad=[0,0]} : f32[2,64,5,7]
  %10 = add %18, %9 : f32[2,64,5,7]
  %11 = conv2d %10, %5, %6 {stride=[1,1], pad=[0,0]} : f32[2,128,5,7]
  %12 = sigmoid %11 : f32[2,128,5,7]
  %13 = mul %11, %12 : f32[2,128,5,7]
  %14 = conv2d %13, %7, %8 {stride=[1,1], pad=[0,0]} : f32[2,64,5,7]
  %15 = add %10, %14 : f32[2,64,5,7]
  %21 = conv2d %15, %19 {stride=[1,1], pad=[0,0]} : f32[2,192,5,7]
  %22 = slice %21 {axis=1, begin=64, end=128} : f32[2,64,5,7]
  %23 = conv2d %22, %20 {stride=[1,1], pad=[1,1]} : f32[2,64,5,7]
  %24 = add %23, %15 : f32[2,64,5,7]
  return y=%24
}
