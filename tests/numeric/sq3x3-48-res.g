# squares: 48 channels in slabs of 64, the residual comes through the ring
# tile 128 48 64 2 2 0 3
# tol 2e-4
graph conv(%1 x: f32[2,48,16,16]) {
  %2 "w" = param : f32[48,48,3,3]
  %3 "b" = param : f32[48]
  %7 "w0" = param : f32[48,48,1,1]
  %8 = conv2d %1, %7 {stride=[1,1], pad=[0,0]} : f32[2,48,16,16]
  %9 = tanh %8 : f32[2,48,16,16]
  %4 = conv2d %9, %2, %3 {stride=[1,1], pad=[1,1], groups=1} : f32[2,48,16,16]
  %5 = sigmoid %4 : f32[2,48,16,16]
  %6 = mul %4, %5 : f32[2,48,16,16]
  %10 = add %6, %9 : f32[2,48,16,16]
  return y=%10
}
