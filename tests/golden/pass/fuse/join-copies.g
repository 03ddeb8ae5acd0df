# An input, an output, and what is joined already have to be copied.
graph t(%1 x: f32[1,64,64,4]) {
  %2 = exp %1
  %3 = concat %1, %2, %2 {axis=3}
  %4 = sin %1
  %5 = concat %4, %4 {axis=3}
  %6 = cos %3
  %7 = cos %5
  return a=%6, b=%7, c=%4
}
