# Each output has memory of its own, in C order.
graph t(%1 x: f32[2,3]) {
  %2 = exp %1
  %3 = reshape %2 {shape=[6]}
  %4 = permute %2 {axes=[1,0]}
  %5 = slice %2 {axis=1, begin=1, end=2}
  return a=%2, b=%3, c=%4, d=%5, e=%2, f=%1
}
