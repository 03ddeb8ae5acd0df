# One reader wants all of it, so it is in memory for the other as well.
graph t(%1 fit: f64[1,1,2], %2 x: f32[1,6,2]) {
  %4 = cast %1 : f32[1,1,2]
  %6 = slice %4 {axis=2, begin=0, end=1}
  %7 = sub %2, %4
  %8 = div %7, %6
  %9 = sin %7
  %10 = mul %8, %9
  return y=%10
}
