# Another attribute, another type, another order of a difference.
graph t(%1 x: f32[4,4], %2 z: f32[4,4]) {
  %3 = softmax %1 {axis=0}
  %4 = softmax %1 {axis=1}
  %5 = cast %1 : f16[4,4]
  %6 = cast %1 : f64[4,4]
  %7 = sub %1, %2
  %8 = sub %2, %1
  return a=%3, b=%4, c=%5, d=%6, e=%7, f=%8
}
