# Work that feeds an epilogue and nothing else is part of it.
graph t(%1 x: f32[1,6,6,4]) {
  %2 "w2" = param : f32[4,4,1,1]
  %3 "c3" = conv2d %1, %2 {layout="nhwc"}
  %4 "gamma" = param : f32[1,1,1,4]
  %5 = mul %1, %4
  %6 = add %5, %3
  return y=%6
}
