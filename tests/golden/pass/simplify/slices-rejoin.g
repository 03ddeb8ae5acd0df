# A C3k2 block: what was cut in two and is joined again never was cut.
graph t(%1 x: f32[1,8,6,6]) {
  %2 = sigmoid %1
  %3 = slice %2 {axis=1, begin=0, end=4}
  %4 = slice %2 {axis=1, begin=4, end=8}
  %5 = exp %4
  %6 = concat %3, %4, %5 {axis=1}
  return y=%6
}
