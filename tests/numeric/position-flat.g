# a filter of 3 rows and 5 columns, two windows of 16 channels a head
# tol 1e-4
# together
# range w -0.4 0.4
# tile 2 32 64 1 1
graph attend(%1 q: f32[1,32,8,8], %2 k: f32[1,32,8,8], %3 x: f32[1,32,8,8]) {
  %4 "w" = param : f32[32,1,3,5]
  %5 "b" = param : f32[32]
  %7 = attention %1, %2, %3 {heads=2, windows=2} : f32[1,32,8,8]
  %8 = conv2d %3, %4, %5 {pad=[1,2], groups=32} : f32[1,32,8,8]
  %9 = add %7, %8 : f32[1,32,8,8]
  return o=%9
}
