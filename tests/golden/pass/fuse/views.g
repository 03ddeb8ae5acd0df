# A pointwise kernel reads through any view.
graph t(%1 x: f32[1,4,6,6]) {
  %2 = permute %1 {axes=[0,2,3,1]}
  %3 = slice %2 {axis=3, begin=0, end=2}
  %4 = exp %3
  %5 = sum %1 {axes=[2,3]}
  %6 = reshape %5 {shape=[1,1,1,4]}
  %7 = broadcast %6 {shape=[1,6,6,4]}
  %8 = mul %7, %2
  return y=%4, z=%8
}
