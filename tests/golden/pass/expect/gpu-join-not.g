# One of the maps has another reader, or its convolution has groups, or there are more bins than lanes share.
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
  %13 = exp %6
  %14 "g" = param : f32[32,8,1,1]
  %15 = conv2d %1, %14 {layout="nhwc", groups=2}
  %16 = reshape %15 {shape=[2,16,32]}
  %17 = concat %16, %16 {axis=1}
  %18 = reshape %17 {shape=[2,32,2,16]}
  %19 = expect %18, %5 {axis=3}
  %20 = conv2d %1, %3 {layout="nhwc", stride=[2,2]}
  %21 = reshape %20 {shape=[2,4,32]}
  %22 = conv2d %2, %4 {layout="nhwc", pad=[1,1]}
  %23 = reshape %22 {shape=[2,4,32]}
  %24 = concat %21, %23 {axis=1}
  %25 = reshape %24 {shape=[2,8,1,32]}
  %26 "more" = param : f32[1,1,1,32]
  %27 = expect %25, %26 {axis=3}
  return a=%12, b=%13, c=%19, d=%27
}
