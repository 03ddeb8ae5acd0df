# A reshaped output is the storage behind it, seen another way.
graph t(%1 x: f32[2,3]) {
  %2 = exp %1
  %3 = reshape %2 {shape=[6]}
  return y=%3
}
