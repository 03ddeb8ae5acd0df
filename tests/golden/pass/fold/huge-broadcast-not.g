# A constant that would grow a lot is stretched where it is used.
graph t(%1 x: f32[1024,1024]) {
  %2 = const {3} : f32[1,1]
  %3 = broadcast %2 {shape=[1024,1024]}
  %4 = matmul %1, %3
  return y=%4
}
