# steep: scores of later keys exceed the first run's by more than half precision can hold
# tol 2e-4
# half 4e-2
# tile 4 16 16 1 1 1
graph attend(%1 q: f32[1,64,10,12], %2 k: f32[1,64,10,12], %3 v: f32[1,64,10,12]) {
  %5 = attention %1, %2, %3 {heads=2, scale=6} : f32[1,64,10,12]
  return o=%5
}
