# A resize writes straight into the join.
graph t(%1 x: f32[1,2,2,4], %2 z: f32[1,4,4,4]) {
  %3 "w3" = param : f32[4,4,1,1]
  %4 "c4" = conv2d %2, %3 {layout="nhwc"}
  %5 = resize %1 {factor=2, layout="nhwc"}
  %6 = concat %5, %4 {axis=3}
  %7 "w7" = param : f32[4,8,1,1]
  %8 "c8" = conv2d %6, %7 {layout="nhwc"}
  return y=%8
}
