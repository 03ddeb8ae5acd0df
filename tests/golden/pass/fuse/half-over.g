# All of %4 lies in the join: its first half has been read when what comes of it is made there.
graph t(%1 x: f32[1,4,4,8]) {
  %2 "w2" = param : f32[16,8,1,1]
  %3 "w3" = param : f32[8,8,3,3]
  %4 "both" = conv2d %1, %2 {layout="nhwc"}
  %5 = slice %4 {axis=3, begin=0, end=8}
  %6 = slice %4 {axis=3, begin=8, end=16}
  %7 "m1" = conv2d %5, %3 {layout="nhwc", pad=[1,1]}
  %8 = add %5, %7
  %9 "m2" = conv2d %8, %3 {layout="nhwc", pad=[1,1]}
  %10 = concat %9, %6 {axis=3}
  %11 = exp %10
  return y=%11
}
