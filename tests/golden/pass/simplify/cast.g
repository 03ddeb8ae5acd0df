# A cast through a wider type is one cast.
graph t(%1 x: f16[1,4]) {
  %2 = cast %1 : f32[1,4]
  %3 = cast %2 : f64[1,4]
  %4 = cast %3 : f16[1,4]
  %5 = exp %4
  return y=%5
}
