# the parts of a concat: two from memory, of which one is a slice, one of the chain; the last step mixes them
# chain 16 1 4 1
# range w1 -0.1 0.1
# range w2 -0.3 0.3
# range w3 -0.2 0.2
# range w0 -0.35 0.35
graph conv(%1 x: f32[2,32,6,6], %2 z: f32[2,24,6,6]) {
  %3 "w1" = param : f32[32,32,3,3]
  %4 "w2" = param : f32[24,32,1,1]
  %5 "b2" = param : f32[24]
  %6 "w3" = param : f32[40,72,1,1]
  %7 "w0" = param : f32[40,24,1,1]
  %8 = conv2d %2, %7 {stride=[1,1], pad=[0,0]} : f32[2,40,6,6]
  %9 = tanh %8 : f32[2,40,6,6]
  %10 = slice %9 {axis=1, begin=0, end=16} : f32[2,16,6,6]
  %11 = conv2d %1, %3 {stride=[1,1], pad=[1,1]} : f32[2,32,6,6]
  %12 = sigmoid %11 : f32[2,32,6,6]
  %13 = mul %11, %12 : f32[2,32,6,6]
  %14 = conv2d %13, %4, %5 {stride=[1,1], pad=[0,0]} : f32[2,24,6,6]
  %15 = sigmoid %14 : f32[2,24,6,6]
  %16 = mul %14, %15 : f32[2,24,6,6]
  %17 = concat %10, %13, %16 {axis=1} : f32[2,72,6,6]
  %18 = conv2d %17, %6 {stride=[1,1], pad=[0,0]} : f32[2,40,6,6]
  %19 = tanh %18 : f32[2,40,6,6]
  %20 = slice %9 {axis=1, begin=16, end=40} : f32[2,24,6,6]
  return y=%19, s=%20
}
