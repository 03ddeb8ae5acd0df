# warpgroups: four products, wide tile
# tile 256 128 32 3 2 0 1
# tol 2e-4
graph conv(%1 x: f32[1,32,16,20]) {
  %2 "w" = param : f32[100,32,3,3]
  %3 "b" = param : f32[100]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[1,100,16,20]
  %5 = sigmoid %4 : f32[1,100,16,20]
  %6 = mul %4, %5 : f32[1,100,16,20]
  return y=%6
}
