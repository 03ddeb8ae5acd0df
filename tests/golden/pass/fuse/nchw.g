# What layout has not seen has no kernel.
graph t(%1 x: f32[1,4,6,6], %2 w: f32[4,4,1,1]) {
  %3 = conv2d %1, %2
  return y=%3
}
