# The mean of what a convolution makes is taken from its sums, and what follows it is the epilogue; not if the sums are wanted, too.
graph t(%1 x: f16[2,4,4,16]) {
  %2 "v" = param : f16[32,16,1,1]
  %3 "bins" = param : f32[1,1,1,1,16]
  %4 = conv2d %1, %2 {layout="nhwc"} : f16[2,4,4,32]
  %5 = cast %4 : f32[2,4,4,32]
  %6 = reshape %5 {shape=[2,4,4,2,16]}
  %7 = expect %6, %3 {axis=4}
  %8 = exp %7
  %9 = conv2d %1, %2 {layout="nhwc", pad=[1,1]} : f16[2,6,6,32]
  %10 = cast %9 : f32[2,6,6,32]
  %11 = reshape %10 {shape=[2,6,6,2,16]}
  %12 = expect %11, %3 {axis=4}
  return y=%8, z=%12, sums=%10
}
