# But it would do a division more than once.
graph t(%1 x: u8[1,3,64,64]) {
  %2 = cast %1 : f32[1,3,64,64]
  %3 = const {255} : f32[1,1,1,1]
  %4 = div %2, %3
  %5 = permute %4 {axes=[0,2,3,1]}
  %6 "w6" = param : f32[4,3,3,3]
  %7 "c7" = conv2d %5, %6 {layout="nhwc", pad=[1,1]}
  return y=%7
}
