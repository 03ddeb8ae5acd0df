# Weights of what lies on both sides stay together.
graph t(%1 x: f32[1,8,4,4], %2 y: f32[1,6,8,8], %3 z: f32[1,2,8,8]) {
  %4 "w" = param : f32[5,16,1,1]
  %5 = resize %1 {factor=2}
  %6 = concat %3, %5, %2 {axis=1}
  %7 "conv" = conv2d %6, %4
  return y=%7
}
