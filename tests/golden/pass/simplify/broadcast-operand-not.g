# Both need to be stretched here.
graph t(%1 x: f32[1,4,1,1]) {
  %3 = broadcast %1 {shape=[1,4,6,6]}
  %4 = exp %3
  %5 = add %3, %1
  return y=%4, z=%5
}
