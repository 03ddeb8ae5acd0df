# A sum in the epilogue of a convolution costs no kernel.
graph t(%1 x: f32[1,6,6,4]) {
  %2 "w" = param : f32[4,4,1,1]
  %3 = conv2d %1, %2 {layout="nhwc"}
  %4 = add %3, %1
  %5 = exp %4
  %6 = sin %4
  return y=%5, z=%6
}
