# Axes follow: channels are the last dim before the permute.
graph t(%1 x: f32[1,6,6,4], %2 z: f32[1,6,6,4]) {
  %3 = permute %1 {axes=[0,3,1,2]}
  %4 = permute %2 {axes=[0,3,1,2]}
  %5 = concat %3, %4 {axis=1}
  %6 = slice %5 {axis=1, begin=2, end=6}
  %7 = permute %6 {axes=[0,2,3,1]}
  return y=%7
}
