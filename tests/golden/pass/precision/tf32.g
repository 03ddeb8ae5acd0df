# Matrix products are marked, and all types stay; neither the depthwise nor the one of three channels is one.
graph t(%1 x: f32[1,4,4,3]) {
  %2 "stem" = param : f32[8,3,1,1]
  %3 "w" = param : f32[8,8,3,3]
  %4 "dw" = param : f32[8,1,3,3]
  %5 = conv2d %1, %2 {layout="nhwc"}
  %6 = conv2d %5, %3 {layout="nhwc", pad=[1,1]}
  %7 = conv2d %6, %4 {groups=8, layout="nhwc", pad=[1,1]}
  %8 = attention %6, %6, %7 {heads=1, layout="nhwc"}
  return y=%8
}
