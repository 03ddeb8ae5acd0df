# A batch norm is no kernel; decompose comes first.
graph t(%1 x: f32[1,4,6,6], %2 s: f32[4]) {
  %3 = batch_norm %1, %2, %2, %2, %2 {eps=0.001}
  return y=%3
}
