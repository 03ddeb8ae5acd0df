# A factor that is the same for all parts goes along, a constant is cut.
graph t(%1 x: f32[1,4,4,8], %2 z: f32[1,2,2,8], %10 f: f32[1,1,8]) {
  %9 "w" = param : f32[8,8,1,1]
  %3 = sigmoid %1
  %4 = sigmoid %2
  %5 = reshape %3 {shape=[1,16,8]}
  %6 = reshape %4 {shape=[1,4,8]}
  %12 = sin %5
  %13 = sin %6
  %7 = concat %12, %13 {axis=1}
  %8 = mul %7, %10
  %11 "s" = param : f32[1,20,1]
  %14 = mul %11, %8
  return y=%14
}
