# heads of 48 in windows of 50: rows and keys that do not exist, batch 2
graph attend(%1 q: f32[2,48,10,10], %2 k: f32[2,48,10,10], %3 v: f32[2,48,10,10]) {
  %5 = attention %1, %2, %3 {heads=1, windows=2} : f32[2,48,10,10]
  return o=%5
}
