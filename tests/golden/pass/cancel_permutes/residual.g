# Two values permuted alike are added first.
graph t(%1 x: f32[1,6,6,4], %2 z: f32[1,6,6,4]) {
  %3 = permute %1 {axes=[0,3,1,2]}
  %4 = permute %2 {axes=[0,3,1,2]}
  %5 = add %3, %4
  %6 = permute %5 {axes=[0,2,3,1]}
  return y=%6
}
