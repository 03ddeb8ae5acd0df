# A larger kernel sees neighbours; a join, or an enlarged map, that somebody else reads is needed as it is.
graph t(%1 x: f32[1,8,4,4], %2 y: f32[1,6,8,8]) {
  %3 "w3" = param : f32[5,14,3,3]
  %4 "w4" = param : f32[5,14,1,1]
  %5 = resize %1 {factor=2}
  %6 = concat %5, %2 {axis=1}
  %7 "three" = conv2d %6, %3 {pad=[1,1]}
  %8 = exp %1
  %9 = resize %8 {factor=2}
  %10 = concat %9, %2 {axis=1}
  %11 "read" = conv2d %10, %4
  %12 = sin %10
  %13 = cos %1
  %14 = resize %13 {factor=2}
  %15 = concat %2, %14 {axis=1}
  %16 "read2" = conv2d %15, %4
  return a=%7, b=%11, c=%12, d=%16, e=%14
}
