# heads of 64, one window of an odd picture, more warps than tiles
# tol 1e-4
# together
# range w -0.4 0.4
# tile 4 16 16 1 1
graph attend(%1 q: f32[1,64,5,7], %2 k: f32[1,64,5,7], %3 x: f32[1,64,5,7]) {
  %4 "w" = param : f32[64,1,7,7]
  %5 "b" = param : f32[64]
  %7 = attention %1, %2, %3 {heads=1} : f32[1,64,5,7]
  %8 = conv2d %3, %4, %5 {pad=[3,3], groups=64} : f32[1,64,5,7]
  %9 = add %7, %8 : f32[1,64,5,7]
  return o=%9
}
