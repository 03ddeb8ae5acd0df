# A permute sinks through pointwise work until it meets its opposite.
graph t(%1 x: f32[1,6,6,4]) {
  %2 = permute %1 {axes=[0,3,1,2]}
  %3 = sigmoid %2
  %4 = mul %2, %3
  %5 = cast %4 : f16[1,4,6,6]
  %6 = permute %5 {axes=[0,2,3,1]}
  return y=%6
}
