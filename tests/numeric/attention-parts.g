# 32 queries a warp, four warps in turns; half of the last tile does not exist
# tile 4 32 16 1 1
graph attend(%1 q: f32[1,32,20,20], %2 k: f32[1,32,20,20], %3 v: f32[1,32,20,20], %4 p: f32[1,32,20,20]) {
  %5 = attention %1, %2, %3 {heads=1} : f32[1,32,20,20]
  %6 = add %5, %4 : f32[1,32,20,20]
  return o=%6
}
