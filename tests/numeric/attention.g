# one window, two heads of 32
graph attend(%1 q: f32[1,64,5,4], %2 k: f32[1,64,5,4], %3 v: f32[1,64,5,4], %4 p: f32[1,64,5,4]) {
  %5 = attention %1, %2, %3 {heads=2} : f32[1,64,5,4]
  %6 = add %5, %4 : f32[1,64,5,4]
  return o=%6
}
