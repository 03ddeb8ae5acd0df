# a convolution of channels that begin in the middle of 16 bytes
graph part(%1 x: f32[1,8,6,6]) {
  %2 "wa" = param : f32[20,8,1,1]
  %3 "ba" = param : f32[20]
  %4 "wb" = param : f32[8,8,3,3]
  %5 "bb" = param : f32[8]
  %6 = conv2d %1, %2, %3 : f32[1,20,6,6]
  %7 = slice %6 {axis=1, begin=10, end=18} : f32[1,8,6,6]
  %8 = conv2d %7, %4, %5 {pad=[1,1]} : f32[1,8,6,6]
  return y=%8, z=%6
}
