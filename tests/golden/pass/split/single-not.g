# One picture has no slices.
graph t(%1 x: f32[1,16,16,8]) {
  %2 "w" = param : f32[32,8,3,3]
  %3 "w2" = param : f32[4,32,3,3]
  %4 "w4" = param : f32[4,4,3,3]
  %5 "c5" = conv2d %1, %2 {layout="nhwc", pad=[1,1]}
  %6 = sigmoid %5
  %7 "c7" = conv2d %6, %3 {layout="nhwc", pad=[1,1], stride=[2,2]}
  %8 "c8" = conv2d %7, %4 {layout="nhwc", pad=[1,1]}
  %9 "c9" = conv2d %8, %4 {layout="nhwc", pad=[1,1]}
  %10 "c10" = conv2d %9, %4 {layout="nhwc", pad=[1,1]}
  %11 "c11" = conv2d %10, %4 {layout="nhwc", pad=[1,1]}
  %12 = add %11, %7
  return y=%12
}
