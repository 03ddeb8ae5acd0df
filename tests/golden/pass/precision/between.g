# Between two convolutions values are half; what leaves is f32 again.
graph t(%1 x: f32[1,4,4,8]) {
  %2 "w" = param : f32[8,8,1,1]
  %3 "b" = param : f32[8]
  %4 = conv2d %1, %2, %3 {layout="nhwc"}
  %5 = sigmoid %4
  %6 = mul %4, %5
  %7 = conv2d %6, %2 {layout="nhwc"}
  %8 = softmax %7 {axis=3}
  return y=%8
}
