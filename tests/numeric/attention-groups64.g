# heads of 64, two warpgroups for five tiles, no turns
# tile 8 16 16 1 1 1
graph attend(%1 q: f32[2,64,9,8], %2 k: f32[2,64,9,8], %3 v: f32[2,64,9,8]) {
  %5 = attention %1, %2, %3 {heads=1} : f32[2,64,9,8]
  return o=%5
}
