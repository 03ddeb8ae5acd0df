# warpgroups: two groups of channels, step 2, more tiles than blocks
# tile 64 16 32 3 1 1 1
# tol 2e-4
graph conv(%1 x: f32[2,64,62,60]) {
  %2 "w" = param : f32[96,32,3,3]
  %3 "b" = param : f32[96]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1], groups=2} : f32[2,96,31,30]
  %5 = sigmoid %4 : f32[2,96,31,30]
  %6 = mul %4, %5 : f32[2,96,31,30]
  return y=%6
}
