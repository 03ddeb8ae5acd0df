# A value multiplied by itself has one reader, though it is read twice.
graph t(%1 x: f32[4,5], %2 y: f32[4,5]) {
  %3 = sub %1, %2
  %4 = mul %3, %3
  return y=%4
}
