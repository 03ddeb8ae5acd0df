# Nothing is dead.
graph t(%1 x: f32[1,4,6,6]) {
  %3 = exp %1
  return y=%3
}
