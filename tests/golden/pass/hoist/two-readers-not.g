# Somebody else reads a part as it is: it would be computed twice.
graph t(%1 x: f32[1,4,4,8], %2 z: f32[1,2,2,8]) {
  %9 "w" = param : f32[8,8,1,1]
  %3 "a" = conv2d %1, %9 {layout="nhwc"}
  %4 "b" = conv2d %2, %9 {layout="nhwc"}
  %5 = reshape %3 {shape=[1,16,8]}
  %6 = reshape %4 {shape=[1,4,8]}
  %7 = concat %5, %6 {axis=1}
  %8 = sigmoid %7
  return y=%8, a=%3
}
