# the same where a warp makes two tiles of rows and sweeps twice
# chain 64 2 2 1
# range w1 -0.21 0.21
# range w2 -0.21 0.21
# range w3 -0.11 0.11
# range w0 -0.6 0.6
# same
graph conv(%1 x: f32[2,64,7,7], %2 r: f32[2,8,7,7]) {
  %3 "w1" = param : f32[64,64,1,1]
  %4 "b1" = param : f32[64]
  %5 "w2" = param : f32[256,64,1,1]
  %6 "b2" = param : f32[256]
  %7 "w3" = param : f32[64,256,1,1]
  %8 "b3" = param : f32[64]
  %16 "w0" = param : f32[64,8,3,3]
  %17 = conv2d %2, %16 {stride=[1,1], pad=[1,1]} : f32[2,64,7,7]
  %18 = tanh %17 : f32[2,64,7,7]
  %9 = conv2d %1, %3, %4 {stride=[1,1], pad=[0,0]} : f32[2,64,7,7]
  %10 = add %18, %9 : f32[2,64,7,7]
  %11 = conv2d %10, %5, %6 {stride=[1,1], pad=[0,0]} : f32[2,256,7,7]
  %12 = sigmoid %11 : f32[2,256,7,7]
  %13 = mul %11, %12 : f32[2,256,7,7]
  %14 = conv2d %13, %7, %8 {stride=[1,1], pad=[0,0]} : f32[2,64,7,7]
  %15 = add %10, %14 : f32[2,64,7,7]
  return y=%15
}
