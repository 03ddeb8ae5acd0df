# Channels and rows are no neighbours before the permute.
graph t(%1 x: f32[1,6,6,4]) {
  %2 = permute %1 {axes=[0,3,1,2]}
  %3 = reshape %2 {shape=[1,24,6]}
  return y=%3
}
