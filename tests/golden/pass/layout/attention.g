# All three arguments of attention are pictures.
graph t(%1 q: f32[1,8,4,4], %2 k: f32[1,8,4,4], %3 v: f32[1,8,4,4]) {
  %4 = attention %1, %2, %3 {heads=2, scale=0.5, windows=2}
  return y=%4
}
