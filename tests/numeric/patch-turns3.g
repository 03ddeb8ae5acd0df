# a patch: more tiles than blocks, two patches under way
# tile 4 8 16 3 2 2 2
# tol 2e-4
graph conv(%1 x: f32[2,8,100,146]) {
  %2 "w" = param : f32[16,8,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,16,100,146]
  return y=%4
}
