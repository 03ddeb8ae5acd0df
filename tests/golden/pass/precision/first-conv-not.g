# A convolution of three channels stays f32, and so does what is not near one.
graph t(%1 x: f32[1,4,4,3]) {
  %2 "w" = param : f32[8,3,1,1]
  %4 = conv2d %1, %2 {layout="nhwc"}
  %5 = sigmoid %4
  %6 = sum %5 {axes=[3]}
  return y=%6
}
