# The two ways of a C3k are one convolution with one activation.  What the first way comes to can be made over its half.
graph t(%1 x: f32[1,8,8,16]) {
  %2 "w2" = param : f32[8,16,1,1]
  %3 "w3" = param : f32[8,16,1,1]
  %4 "w4" = param : f32[8,8,3,3]
  %5 "w5" = param : f32[8,8,3,3]
  %6 "w6" = param : f32[16,16,1,1]
  %7 "cv1" = conv2d %1, %2 {layout="nhwc"}
  %8 = sigmoid %7
  %9 = mul %7, %8
  %10 "cv2" = conv2d %1, %3 {layout="nhwc"}
  %11 = sigmoid %10
  %12 = mul %10, %11
  %13 "m1" = conv2d %9, %4 {layout="nhwc", pad=[1,1]}
  %14 = add %9, %13
  %15 "m2" = conv2d %14, %5 {layout="nhwc", pad=[1,1]}
  %16 = concat %15, %12 {axis=3}
  %17 "cv3" = conv2d %16, %6 {layout="nhwc"}
  return y=%17
}
