# 32 queries a warp, keys split, heads of 48, a window that no run of keys fills
# tol 1e-4
# together
# range w -0.4 0.4
# tile 1 32 16 2 2
graph attend(%1 q: f32[1,96,8,11], %2 k: f32[1,96,8,11], %3 x: f32[1,96,8,11]) {
  %4 "w" = param : f32[96,1,3,3]
  %5 "b" = param : f32[96]
  %7 = attention %1, %2, %3 {heads=2, windows=2} : f32[1,96,8,11]
  %8 = conv2d %3, %4, %5 {pad=[1,1], groups=96} : f32[1,96,8,11]
  %9 = add %7, %8 : f32[1,96,8,11]
  return o=%9
}
