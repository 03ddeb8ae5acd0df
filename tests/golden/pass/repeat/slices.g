# A few numbers that are converted, and read in pieces: each reader converts its own.
graph t(%1 fit: f64[10], %2 x: f32[1,6,2]) {
  %3 = reshape %1 {shape=[1,1,10]}
  %4 = cast %3 : f32[1,1,10]
  %5 = slice %4 {axis=2, begin=4, end=6}
  %6 = slice %4 {axis=2, begin=6, end=7}
  %7 = sub %2, %5
  %8 = div %7, %6
  return y=%8
}
