# a filter of the values added to their attention: one window, two heads, keys split among warps
# tol 1e-4
# range one -0.2 0.2
# together
# range w -0.4 0.4
graph attend(%1 q: f32[1,64,10,6], %2 k: f32[1,64,10,6], %3 x: f32[1,64,10,6]) {
  %10 "one" = param : f32[64,64,1,1]
  %4 "w" = param : f32[64,1,5,5]
  %5 "b" = param : f32[64]
  %6 = conv2d %3, %10 : f32[1,64,10,6]
  %7 = attention %1, %2, %6 {heads=2} : f32[1,64,10,6]
  %8 = conv2d %6, %4, %5 {pad=[2,2], groups=64} : f32[1,64,10,6]
  %9 = add %7, %8 : f32[1,64,10,6]
  return o=%9
}
