# Arguments of a concat are made inside its storage, and halves of one are views.
graph t(%1 x: f32[1,6,6,4]) {
  %2 "w2" = param : f32[8,4,1,1]
  %3 "c3" = conv2d %1, %2 {layout="nhwc"}
  %4 = slice %3 {axis=3, begin=4, end=8}
  %5 "w5" = param : f32[4,4,3,3]
  %6 "c6" = conv2d %4, %5 {layout="nhwc", pad=[1,1]}
  %7 = concat %3, %6 {axis=3}
  %8 "w8" = param : f32[4,12,1,1]
  %9 "c9" = conv2d %7, %8 {layout="nhwc"}
  return y=%9
}
