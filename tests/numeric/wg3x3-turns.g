# warpgroups: more tiles than blocks, stages handed back, channels four at a time
# tile 64 16 32 4 1 1 1
# tol 2e-4
graph conv(%1 x: f32[2,32,36,40]) {
  %2 "w" = param : f32[48,32,3,3]
  %3 "b" = param : f32[48]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,48,36,40]
  return y=%4
}
