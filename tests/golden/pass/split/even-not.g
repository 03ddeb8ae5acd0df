# All maps are alike: a cut anywhere keeps as much alive as it saves.
graph t(%1 x: f32[4,8,8,8]) {
  %2 "w" = param : f32[8,8,3,3]
  %5 "c5" = conv2d %1, %2 {layout="nhwc", pad=[1,1]}
  %6 "c6" = conv2d %5, %2 {layout="nhwc", pad=[1,1]}
  %7 "c7" = conv2d %6, %2 {layout="nhwc", pad=[1,1]}
  %8 "c8" = conv2d %7, %2 {layout="nhwc", pad=[1,1]}
  %9 "c9" = conv2d %8, %2 {layout="nhwc", pad=[1,1]}
  %10 "c10" = conv2d %9, %2 {layout="nhwc", pad=[1,1]}
  return y=%10
}
