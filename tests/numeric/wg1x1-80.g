# warpgroups: the last slab reaches past the channels
# tol 2e-4
graph conv(%1 x: f32[2,80,5,15]) {
  %2 "w" = param : f32[80,80,1,1]
  %3 "b" = param : f32[80]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[2,80,5,15]
  %5 = sigmoid %4 : f32[2,80,5,15]
  %6 = mul %4, %5 : f32[2,80,5,15]
  return y=%6
}
