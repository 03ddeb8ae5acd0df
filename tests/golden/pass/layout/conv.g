# A convolution works on channels last, between two permutes.
graph t(%1 x: f32[1,4,6,6]) {
  %2 "w" = param : f32[8,4,3,3]
  %3 "m" = conv2d %1, %2 {pad=[1,1], stride=[2,2]}
  return y=%3
}
