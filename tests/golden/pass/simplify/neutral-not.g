# 0 - x is not x, and x + 0 that stretches x is more than x.
graph t(%1 x: f32[1,4]) {
  %2 = const {0, 0, 0, 0, 0, 0, 0, 0} : f32[2,4]
  %3 = add %1, %2
  %4 = const {0} : f32[1,1]
  %5 = sub %4, %1
  return y=%3, z=%5
}
