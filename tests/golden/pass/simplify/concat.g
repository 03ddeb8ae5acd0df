# A concat in a concat is part of it; a concat of one is its argument.
graph t(%1 x: f32[1,4,6,6], %2 z: f32[1,4,6,6]) {
  %3 = concat %1, %2 {axis=1}
  %4 = concat %3, %1 {axis=1}
  %5 = concat %4 {axis=2}
  return y=%5
}
