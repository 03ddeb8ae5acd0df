# squares: 64 channels a slab, tile after tile in a block, two products a group of threads
# tile 256 32 64 2 2 1 3
# tol 2e-4
graph conv(%1 x: f32[2,128,24,16]) {
  %2 "w" = param : f32[64,128,3,3]
  %3 "b" = param : f32[64]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1], groups=1} : f32[2,64,24,16]
  %5 = sigmoid %4 : f32[2,64,24,16]
  %6 = mul %4, %5 : f32[2,64,24,16]
  return y=%6
}
