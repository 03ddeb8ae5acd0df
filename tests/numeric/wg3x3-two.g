# warpgroups: two products a group, more rows than a picture
# tile 128 80 64 3 1 0 1
# tol 2e-4
graph conv(%1 x: f32[3,64,8,12]) {
  %2 "w" = param : f32[72,64,3,3]
  %3 "b" = param : f32[72]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[3,72,8,12]
  %5 = sigmoid %4 : f32[3,72,8,12]
  %6 = mul %4, %5 : f32[3,72,8,12]
  return y=%6
}
