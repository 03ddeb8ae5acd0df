# a patch, step 2, a group a warp
# tile 8 8 64 1 2 4 2
# tol 2e-4
graph conv(%1 x: f32[1,64,17,18]) {
  %2 "w" = param : f32[64,16,3,3]
  %3 "b" = param : f32[64]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1], groups=4} : f32[1,64,9,9]
  return y=%4
}
