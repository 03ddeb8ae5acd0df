# 35 tokens, heads of 8, batch 2
graph attend(%1 q: f32[2,24,5,7], %2 k: f32[2,24,5,7], %3 v: f32[2,24,5,7], %4 p: f32[2,24,5,7]) {
  %5 = attention %1, %2, %3 {heads=3} : f32[2,24,5,7]
  %6 = add %5, %4 : f32[2,24,5,7]
  return o=%6
}
