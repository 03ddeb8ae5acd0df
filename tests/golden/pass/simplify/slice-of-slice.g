# Two slices along one axis are one; steps multiply.
graph t(%1 x: f32[1,4,6,6]) {
  %2 = slice %1 {axis=3, begin=1, end=6, step=2}
  %3 = slice %2 {axis=3, begin=1, end=3}
  return y=%3
}
