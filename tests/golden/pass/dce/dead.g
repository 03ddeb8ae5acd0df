# What no output reads goes, and its number with it; inputs stay.
graph t(%1 x: f32[1,4,6,6], %2 unused: f32[3]) {
  %3 = exp %1
  %4 = sin %3
  %5 = cos %1
  return y=%5
}
