# The first way ends in the sum that reads its half: nothing runs between, so both halves are wanted to the end.
graph t(%1 x: f32[1,8,8,16]) {
  %2 "w2" = param : f32[8,16,1,1]
  %3 "w3" = param : f32[8,16,1,1]
  %4 "w4" = param : f32[8,8,3,3]
  %6 "w6" = param : f32[16,16,1,1]
  %7 "cv1" = conv2d %1, %2 {layout="nhwc"}
  %8 = sigmoid %7
  %9 = mul %7, %8
  %10 "cv2" = conv2d %1, %3 {layout="nhwc"}
  %11 = sigmoid %10
  %12 = mul %10, %11
  %13 "m1" = conv2d %9, %4 {layout="nhwc", pad=[1,1]}
  %14 = add %9, %13
  %16 = concat %14, %12 {axis=3}
  %17 "cv3" = conv2d %16, %6 {layout="nhwc"}
  return y=%17
}
