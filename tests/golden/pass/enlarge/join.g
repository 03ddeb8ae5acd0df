# The enlarged half of a join: its part of the sum is made before it is enlarged.
graph t(%1 x: f32[1,8,4,4], %2 y: f32[1,6,8,8]) {
  %3 "w" = param : f32[5,14,1,1]
  %4 "b" = param : f32[5]
  %5 = resize %1 {factor=2}
  %6 = concat %5, %2 {axis=1}
  %7 "conv" = conv2d %6, %3, %4 {stride=[1,1], pad=[0,0]}
  %8 = sigmoid %7
  return y=%8
}
