# An operand that the other one would stretch need not be stretched before.
graph t(%1 x: f32[1,4,6,6], %2 s: f32[1,4,1,1]) {
  %3 = broadcast %2 {shape=[1,4,6,6]}
  %4 = add %1, %3
  return y=%4
}
