# Of two convolutions that are added the later one takes the sum.
graph t(%1 x: f32[1,6,6,4]) {
  %2 "w2" = param : f32[8,4,1,1]
  %3 "c3" = conv2d %1, %2 {layout="nhwc"}
  %4 "w4" = param : f32[8,4,1,1]
  %5 "c5" = conv2d %1, %4 {layout="nhwc"}
  %6 = sigmoid %3
  %7 = sigmoid %5
  %8 = add %6, %7
  return y=%8
}
