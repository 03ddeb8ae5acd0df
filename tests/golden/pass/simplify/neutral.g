# x + 0, 1 * x, x / 1, x - 0 are x.
graph t(%1 x: f32[1,4,6,6]) {
  %2 = const {0} : f32[1,1,1,1]
  %3 = const {1} : f32[1,1,1,1]
  %4 = add %1, %2
  %5 = mul %3, %4
  %6 = div %5, %3
  %7 = sub %6, %2
  %8 = exp %7
  return y=%8
}
