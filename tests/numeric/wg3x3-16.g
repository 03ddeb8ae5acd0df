# warpgroups: 16 channels a slab
# tol 2e-4
graph conv(%1 x: f32[1,16,9,12]) {
  %2 "w" = param : f32[32,16,3,3]
  %3 "b" = param : f32[32]
  %4 = conv2d %1, %2, %3 {stride=[2,2], pad=[1,1]} : f32[1,32,5,6]
  %5 = sigmoid %4 : f32[1,32,5,6]
  %6 = mul %4, %5 : f32[1,32,5,6]
  return y=%6
}
