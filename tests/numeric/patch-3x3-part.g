# a patch: half of the channels at a time
# tile 4 16 24 1 4 1 2
# tol 2e-4
graph conv(%1 x: f32[2,24,12,20]) {
  %2 "w" = param : f32[48,24,3,3]
  %3 "b" = param : f32[48]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,48,12,20]
  %5 = sigmoid %4 : f32[2,48,12,20]
  %6 = mul %4, %5 : f32[2,48,12,20]
  return y=%6
}
