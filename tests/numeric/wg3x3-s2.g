# warpgroups: stride 2, odd sides, two groups
# tile 128 48 32 3 2 0 1
# tol 2e-4
graph conv(%1 x: f32[2,32,17,23]) {
  %2 "w" = param : f32[48,32,3,3]
  %3 "b" = param : f32[48]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1]} : f32[2,48,9,12]
  %5 = sigmoid %4 : f32[2,48,9,12]
  %6 = mul %4, %5 : f32[2,48,9,12]
  return y=%6
}
