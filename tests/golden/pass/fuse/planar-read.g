# A second reader wants the pixels as they were, so the scores are turned by a kernel.
graph t(%1 a: f32[1,4,4,8]) {
  %3 "w" = param : f32[8,8,1,1]
  %4 "c4" = conv2d %1, %3 {layout="nhwc"}
  %5 = sigmoid %4
  %6 = permute %5 {axes=[0,3,1,2]}
  %7 "c7" = conv2d %5, %3 {layout="nhwc"}
  return scores=%6, c=%7
}
