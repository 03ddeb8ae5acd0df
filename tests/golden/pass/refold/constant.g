# A permuted constant is computed now.
graph t(%1 x: f32[1,6,6,4]) {
  %2 = const {1, 2, 3, 4} : f32[1,4,1,1]
  %3 = permute %2 {axes=[0,2,3,1]}
  %4 = add %1, %3
  return y=%4
}
