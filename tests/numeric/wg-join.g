# warpgroups: views into joins, on the way in and out
# tile 64 32 64 3 1 0 1
# tol 2e-4
graph csp(%1 x: f32[2,64,6,7]) {
  %2 "w1" = param : f32[128,64,1,1]
  %3 "w2" = param : f32[64,64,3,3]
  %5 "w4" = param : f32[48,192,1,1]
  %6 = conv2d %1, %2 {stride=[1,1], pad=[0,0]} : f32[2,128,6,7]
  %7 = tanh %6 : f32[2,128,6,7]
  %8 = slice %7 {axis=1, begin=0, end=64} : f32[2,64,6,7]
  %9 = slice %7 {axis=1, begin=64, end=128} : f32[2,64,6,7]
  %10 = conv2d %9, %3 {stride=[1,1], pad=[1,1]} : f32[2,64,6,7]
  %11 = tanh %10 : f32[2,64,6,7]
  %14 = add %11, %9 : f32[2,64,6,7]
  %15 = concat %8, %9, %14 {axis=1} : f32[2,192,6,7]
  %16 = conv2d %15, %5 {stride=[1,1], pad=[0,0]} : f32[2,48,6,7]
  return y=%16
}
