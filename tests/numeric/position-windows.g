# four windows of five odd rows in each of two pictures: the filter sees across their borders; keys split
# tol 1e-4
# range one -0.2 0.2
# together
# range w -0.4 0.4
graph attend(%1 q: f32[2,32,20,13], %2 k: f32[2,32,20,13], %3 x: f32[2,32,20,13]) {
  %10 "one" = param : f32[32,32,1,1]
  %4 "w" = param : f32[32,1,5,5]
  %5 "b" = param : f32[32]
  %6 = conv2d %3, %10 : f32[2,32,20,13]
  %7 = attention %1, %2, %6 {heads=1, windows=4} : f32[2,32,20,13]
  %8 = conv2d %6, %4, %5 {pad=[2,2], groups=32} : f32[2,32,20,13]
  %9 = add %7, %8 : f32[2,32,20,13]
  return o=%9
}
