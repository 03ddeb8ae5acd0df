# So do those of a reduction and a softmax.
graph t(%1 x: f32[1,6,6,4]) {
  %2 = permute %1 {axes=[0,3,1,2]}
  %3 = softmax %2 {axis=1}
  %4 = sum %3 {axes=[2,3]}
  %5 = permute %4 {axes=[0,2,3,1]}
  return y=%5
}
