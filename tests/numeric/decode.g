# distances to corners, one kernel: both halves share what they are made from
graph boxes(%1 far: f32[2,19,4], %2 score: f32[2,3,19], %3 at: f32[1,2,19], %4 stride: f32[1,1,19]) {
  %5 = permute %1 {axes=[0,2,1]} : f32[2,4,19]
  %6 = slice %5 {axis=1, begin=0, end=2} : f32[2,2,19]
  %7 = slice %5 {axis=1, begin=2, end=4} : f32[2,2,19]
  %8 = sub %3, %6 : f32[2,2,19]
  %9 = add %3, %7 : f32[2,2,19]
  %10 = add %8, %9 : f32[2,2,19]
  %11 = const {2} : f32[1,1,1]
  %12 = div %10, %11 : f32[2,2,19]
  %13 = sub %9, %8 : f32[2,2,19]
  %14 = mul %12, %4 : f32[2,2,19]
  %15 = mul %13, %4 : f32[2,2,19]
  %16 = sigmoid %2 : f32[2,3,19]
  %17 = concat %14, %15, %16 {axis=1} : f32[2,7,19]
  return y=%17
}
