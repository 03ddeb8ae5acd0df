# the mean of a distribution, bins last and in the middle, and an odd number of them
graph expect(%1 x: f32[2,5,4,16], %2 y: f32[2,4,16,21], %3 z: f32[3,37], %4 w: f32[1,37]) {
  %5 = softmax %1 {axis=3} : f32[2,5,4,16]
  %6 = iota {axis=3, shape=[1,1,1,16]} : f32[1,1,1,16]
  %7 = mul %5, %6 : f32[2,5,4,16]
  %8 = sum %7 {axes=[3]} : f32[2,5,4,1]
  %9 = iota {axis=2, shape=[1,1,16,1]} : f32[1,1,16,1]
  %10 = expect %2, %9 {axis=2} : f32[2,4,1,21]
  %11 = expect %3, %4 {axis=1} : f32[3,1]
  return last=%8, middle=%10, odd=%11
}
