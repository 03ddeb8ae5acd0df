# Slices that permutes kept apart meet, and one rule lets the next one work.
graph t(%1 x: f32[1,6,6,8]) {
  %2 = exp %1
  %3 = permute %2 {axes=[0,3,1,2]}
  %4 = slice %3 {axis=1, begin=0, end=4}
  %5 = slice %3 {axis=1, begin=4, end=8}
  %6 = concat %4, %5 {axis=1}
  %7 = permute %6 {axes=[0,2,3,1]}
  return y=%7
}
