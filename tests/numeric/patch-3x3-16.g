# a patch: 16 channels, weights in registers, two pictures, ragged tiles
# tile 8 16 16 2 4 1 2
# tol 2e-4
graph conv(%1 x: f32[2,16,19,37], %9 z: f32[2,16,19,37]) {
  %2 "w" = param : f32[16,16,3,3]
  %3 "b" = param : f32[16]
  %4 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1]} : f32[2,16,19,37]
  %5 = sigmoid %4 : f32[2,16,19,37]
  %6 = mul %4, %5 : f32[2,16,19,37]
  %7 = add %6, %9 : f32[2,16,19,37]
  return y=%7
}
