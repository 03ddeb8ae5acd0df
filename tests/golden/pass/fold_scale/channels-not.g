# A factor for each channel is no single number; one over x is no factor.
graph t(%1 x: f32[1,3,4,4]) {
  %3 = const {0.5, 1, 2} : f32[1,3,1,1]
  %4 = mul %3, %1
  %5 "w" = param : f32[8,3,3,3]
  %7 "m" = conv2d %4, %5 {pad=[1,1]}
  %8 = const {1} : f32[1,1,1,1]
  %9 = div %8, %1
  %10 = conv2d %9, %5
  return y=%7, z=%10
}
