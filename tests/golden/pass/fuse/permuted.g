# A convolution of many channels reads vectors of them: a permuted picture has to be made, with the work before it.
graph t(%1 x: f32[1,8,4,4]) {
  %2 = exp %1
  %5 = permute %2 {axes=[0,2,3,1]}
  %6 "w6" = param : f32[4,8,1,1]
  %7 "c7" = conv2d %5, %6 {layout="nhwc"}
  return y=%7
}
