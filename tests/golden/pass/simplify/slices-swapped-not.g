# Halves in the other order are not one piece.
graph t(%1 x: f32[1,8,6,6]) {
  %3 = slice %1 {axis=1, begin=0, end=4}
  %4 = slice %1 {axis=1, begin=4, end=8}
  %6 = concat %4, %3 {axis=1}
  return y=%6
}
