# Reshapes join, and one to the same shape goes.
graph t(%1 x: f32[1,4,6,6]) {
  %2 = reshape %1 {shape=[4,36]}
  %3 = reshape %2 {shape=[144]}
  %4 = reshape %3 {shape=[1,4,6,6]}
  %5 = exp %4
  %6 = exp %3
  return y=%5, z=%6
}
