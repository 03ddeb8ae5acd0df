# Bytes are not divided by 255, weights are.
graph t(%1 x: u8[1,3,4,4]) {
  %2 = cast %1 : f32[1,3,4,4]
  %3 = const {255} : f32[1,1,1,1]
  %4 = div %2, %3
  %5 "w" = param : f32[8,3,3,3]
  %6 "b" = param : f32[8]
  %7 "m" = conv2d %4, %5, %6 {pad=[1,1]}
  return y=%7
}
