# windows of one and a half rows
graph attend(%1 q: f32[1,64,6,4], %2 k: f32[1,64,6,4], %3 v: f32[1,64,6,4], %4 p: f32[1,64,6,4]) {
  %5 = attention %1, %2, %3 {heads=2, windows=4} : f32[1,64,6,4]
  %6 = add %5, %4 : f32[1,64,6,4]
  return o=%6
}
