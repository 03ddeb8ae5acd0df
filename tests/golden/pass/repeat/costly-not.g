# A root is taken once.
graph t(%1 x: f32[64]) {
  %3 = sqrt %1
  %4 = exp %3
  %5 = sin %3
  return y=%4, z=%5
}
