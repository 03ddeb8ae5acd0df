# Convolutions on matrix units take the mean of what they make: it moves above the join, each map's own.
graph t(%1 x: f32[2,4,4,16], %2 y: f32[2,2,2,8]) {
  %3 "v" = param : f32[32,16,1,1]
  %4 "w" = param : f32[32,8,3,3]
  %5 "bins" = param : f32[1,1,1,16]
  %6 = conv2d %1, %3 {layout="nhwc"}
  %7 = conv2d %2, %4 {layout="nhwc", pad=[1,1]}
  %8 = reshape %6 {shape=[2,16,32]}
  %9 = reshape %7 {shape=[2,4,32]}
  %10 = concat %8, %9 {axis=1}
  %11 = reshape %10 {shape=[2,20,2,16]}
  %12 = expect %11, %5 {axis=3}
  return y=%12
}
