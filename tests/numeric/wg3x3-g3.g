# warpgroups: three groups of channels, a tile of each, straight from the sums or by way of shared memory
# tile 128 32 32 4 2 0 1
# tol 2e-4
graph conv(%1 x: f32[1,96,13,12]) {
  %2 "w" = param : f32[96,32,3,3]
  %3 "b" = param : f32[96]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1], groups=3} : f32[1,96,13,12]
  return y=%4
}
