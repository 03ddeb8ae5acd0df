# products by warpgroups: turns of four tiles, of which the last has two; keys past the end
# tile 4 16 48 1 1 1
graph attend(%1 q: f32[1,64,10,18], %2 k: f32[1,64,10,18], %3 v: f32[1,64,10,18], %4 p: f32[1,64,10,18]) {
  %5 = attention %1, %2, %3 {heads=2, windows=2} : f32[1,64,10,18]
  %6 = add %5, %4 : f32[1,64,10,18]
  return o=%6
}
