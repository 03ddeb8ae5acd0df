# A constant, or a value with one wide dim, follows for nothing.
graph t(%1 x: f32[1,6,6,4], %7 g: f32[1,4,1,1]) {
  %2 = permute %1 {axes=[0,3,1,2]}
  %3 "b" = param : f32[1,4,1,1]
  %4 = add %2, %3
  %5 = mul %4, %7
  %6 = permute %5 {axes=[0,2,3,1]}
  return y=%6
}
