# A residual add joins the epilogue of its convolution; x is read either way.
graph t(%1 x: f32[1,6,6,4]) {
  %9 = exp %1
  %2 "w2" = param : f32[4,4,1,1]
  %3 "c3" = conv2d %9, %2 {layout="nhwc"}
  %4 = sigmoid %3
  %5 = mul %3, %4
  %6 = add %5, %9
  return y=%6
}
