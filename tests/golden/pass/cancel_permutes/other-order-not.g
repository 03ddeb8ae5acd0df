# The other operand would have to be permuted instead: nothing is won.
graph t(%1 x: f32[1,6,6,4], %2 z: f32[1,4,6,6]) {
  %3 = permute %1 {axes=[0,3,1,2]}
  %4 = add %3, %2
  return y=%4
}
