# a patch: 8 channels, two taps a step
# tile 8 8 16 1 4 1 2
# tol 2e-4
graph conv(%1 x: f32[2,8,17,20]) {
  %2 "w" = param : f32[16,8,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,16,17,20]
  %5 = sigmoid %4 : f32[2,16,17,20]
  %6 = mul %4, %5 : f32[2,16,17,20]
  return y=%6
}
