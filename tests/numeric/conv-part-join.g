# channels that are joined and read again from the middle of 16 bytes, also by an attention
graph part(%1 x: f32[2,8,6,6]) {
  %2 "wa" = param : f32[12,8,1,1]
  %3 "ba" = param : f32[12]
  %4 "wb" = param : f32[16,8,1,1]
  %5 "bb" = param : f32[16]
  %6 "wc" = param : f32[8,16,3,3]
  %7 "bc" = param : f32[8]
  %8 = conv2d %1, %2, %3 : f32[2,12,6,6]
  %9 = conv2d %1, %4, %5 : f32[2,16,6,6]
  %10 = concat %8, %9 {axis=1} : f32[2,28,6,6]
  %11 = conv2d %9, %6, %7 {pad=[1,1]} : f32[2,8,6,6]
  %12 = attention %9, %9, %9 {heads=1} : f32[2,16,6,6]
  return all=%10, y=%11, a=%12
}
