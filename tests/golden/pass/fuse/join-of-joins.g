# Levels of a head: parts are joined, reshaped and joined again, all in one place.
graph t(%1 x: f32[1,4,4,8], %2 z: f32[1,2,2,8]) {
  %3 "w3" = param : f32[6,8,1,1]
  %4 "c4" = conv2d %1, %3 {layout="nhwc"}
  %5 "w5" = param : f32[2,8,1,1]
  %6 "c6" = conv2d %1, %5 {layout="nhwc"}
  %7 = concat %4, %6 {axis=3}
  %8 = reshape %7 {shape=[1,16,8]}
  %9 "w9" = param : f32[6,8,1,1]
  %10 "c10" = conv2d %2, %9 {layout="nhwc"}
  %11 "w11" = param : f32[2,8,1,1]
  %12 "c12" = conv2d %2, %11 {layout="nhwc"}
  %13 = concat %10, %12 {axis=3}
  %14 = reshape %13 {shape=[1,4,8]}
  %15 = concat %8, %14 {axis=1}
  %16 = softmax %15 {axis=2}
  return y=%16
}
