# So is what meets a few steps on.
graph t(%1 x: f32[64], %2 z: f32[64]) {
  %3 = sub %1, %2
  %4 = exp %3
  %5 = sin %3
  %6 = abs %5
  %7 = add %4, %6
  return y=%7
}
