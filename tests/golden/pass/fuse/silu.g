# The whole activation runs on the convolution's registers, although its result is read twice.
graph t(%1 x: f32[1,6,6,4]) {
  %2 "w2" = param : f32[8,4,1,1]
  %3 "c3" = conv2d %1, %2 {layout="nhwc"}
  %4 = sigmoid %3
  %5 = mul %3, %4
  return y=%5
}
