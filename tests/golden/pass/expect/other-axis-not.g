# The sum folds another axis, or the weights are not those of the bins, or the distribution is wanted too.
graph t(%1 x: f32[2,4,4]) {
  %2 "a" = param : f32[1,1,4]
  %6 "b" = param : f32[1,4,1]
  %3 = softmax %1 {axis=2}
  %4 = mul %2, %3
  %5 = sum %4 {axes=[1]}
  %7 = softmax %5 {axis=2}
  %8 = mul %7, %2
  %9 = sum %8 {axes=[2]}
  %10 = cos %1
  %11 = softmax %10 {axis=2}
  %12 = mul %11, %6
  %13 = sum %12 {axes=[2]}
  return y=%7, z=%9, u=%13
}
