# heads of 16, whole tiles in two blocks
# tile 4 16 64 1 2 1
graph attend(%1 q: f32[1,32,16,8], %2 k: f32[1,32,16,8], %3 v: f32[1,32,16,8]) {
  %5 = attention %1, %2, %3 {heads=2} : f32[1,32,16,8]
  return o=%5
}
