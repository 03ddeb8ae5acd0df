# warpgroups: two products in each of two groups, a residual in several stages
# tile 256 64 32 3 2 0 1
# tol 2e-4
graph conv(%1 x: f32[3,64,10,12]) {
  %2 "w" = param : f32[64,64,3,3]
  %3 "b" = param : f32[64]
  %8 "g" = param : f32[1,64,1,1]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[3,64,10,12]
  %5 = mul %4, %8 : f32[3,64,10,12]
  %7 = add %1, %5 : f32[3,64,10,12]
  return y=%7
}
