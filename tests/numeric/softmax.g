# softmax over last, middle, and an odd length; the expectation of a distribution
graph softmax(%1 x: f32[2,4,16,21], %2 y: f32[3,37]) {
  %3 = softmax %1 {axis=2} : f32[2,4,16,21]
  %4 = iota {axis=2, shape=[1,1,16,1]} : f32[1,1,16,1]
  %5 = mul %3, %4 : f32[2,4,16,21]
  %6 = sum %5 {axes=[2]} : f32[2,4,1,21]
  %7 = softmax %2 {axis=1} : f32[3,37]
  %8 = softmax %1 {axis=3} : f32[2,4,16,21]
  return mean=%6, odd=%7, last=%8
}
