# Equal work is done once, whatever the order of a sum.
graph t(%1 x: f32[1,4,6,6], %2 z: f32[1,4,6,6]) {
  %3 = add %1, %2
  %4 = add %2, %1
  %5 = exp %3
  %6 = exp %4
  %7 = mul %5, %6
  return y=%7
}
