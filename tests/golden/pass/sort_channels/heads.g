# Query, key and value of each head lie side by side; sorted, each is a plain slice.
graph t(%1 x: f32[1,4,6,6]) {
  %2 "w" = param : f32[12,4,1,1]
  %3 "b" = param : f32[12]
  %4 "qkv" = conv2d %1, %2, %3
  %5 = reshape %4 {shape=[1,2,6,6,6]}
  %6 = slice %5 {axis=2, begin=0, end=2}
  %7 = slice %5 {axis=2, begin=2, end=4}
  %8 = slice %5 {axis=2, begin=4, end=6}
  %9 = reshape %6 {shape=[1,4,6,6]}
  %10 = reshape %7 {shape=[1,4,6,6]}
  %11 = reshape %8 {shape=[1,4,6,6]}
  %12 = attention %9, %10, %11 {heads=2}
  return y=%12
}
