# It does already.
graph t(%1 x: f32[1,6,6,4]) {
  %2 "w" = param : f32[8,4,3,3]
  %3 = conv2d %1, %2 {layout="nhwc", pad=[1,1]}
  return y=%3
}
