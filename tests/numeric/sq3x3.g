# warpgroups, rows are squares of pixels: two groups of threads, more squares than fill the last tile
# tile 128 32 32 3 2 0 3
# tol 2e-4
graph conv(%1 x: f32[3,32,16,8]) {
  %2 "w" = param : f32[32,32,3,3]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1], groups=1} : f32[3,32,16,8]
  %5 = sigmoid %4 : f32[3,32,16,8]
  %6 = mul %4, %5 : f32[3,32,16,8]
  return y=%6
}
