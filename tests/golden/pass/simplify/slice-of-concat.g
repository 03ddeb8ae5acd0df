# A slice takes from the parts it touches, not from all.
graph t(%1 x: f32[1,4,6,6], %2 z: f32[1,4,6,6]) {
  %3 = exp %1
  %4 = exp %2
  %5 = sin %1
  %6 = concat %3, %4, %5 {axis=1}
  %7 = slice %6 {axis=1, begin=5, end=7}
  %8 = concat %3, %4, %5 {axis=1}
  %9 = slice %8 {axis=1, begin=2, end=7}
  return one=%7, two=%9
}
