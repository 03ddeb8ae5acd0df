# values of other channels than keys, a negative scale, no body
graph attend(%1 q: f32[1,16,3,6], %2 k: f32[1,16,3,6], %3 v: f32[1,48,3,6]) {
  %5 = attention %1, %2, %3 {heads=2, scale=-0.5} : f32[1,48,3,6]
  return o=%5
}
