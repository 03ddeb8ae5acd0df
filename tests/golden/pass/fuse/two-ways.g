# A value that somebody else reads too ends the epilogue.
graph t(%1 x: f32[1,6,6,4]) {
  %2 "w2" = param : f32[8,4,1,1]
  %3 "c3" = conv2d %1, %2 {layout="nhwc"}
  %4 = sigmoid %3
  %5 = exp %4
  %6 = cos %4
  return y=%5, z=%6
}
