# 7x7, windows that begin inside a row, four warps in turns, a last tile that is not whole
# tol 1e-4
# together
# range w -0.4 0.4
# tile 4 16 16 1 1 1
graph attend(%1 q: f32[2,48,9,14], %2 k: f32[2,48,9,14], %3 x: f32[2,48,9,14]) {
  %4 "w" = param : f32[48,1,7,7]
  %5 "b" = param : f32[48]
  %7 = attention %1, %2, %3 {heads=3, windows=2} : f32[2,48,9,14]
  %8 = conv2d %3, %4, %5 {pad=[3,3], groups=48} : f32[2,48,9,14]
  %9 = add %7, %8 : f32[2,48,9,14]
  return o=%9
}
