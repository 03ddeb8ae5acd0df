# Rows and columns, side by side before and after, can be joined before the permute.
graph t(%1 x: f32[1,6,6,4]) {
  %2 = permute %1 {axes=[0,3,1,2]}
  %3 = reshape %2 {shape=[1,2,2,36]}
  %4 = permute %3 {axes=[0,3,1,2]}
  return y=%4
}
