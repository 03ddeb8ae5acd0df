# A matmul reads a transposed operand as it is.
graph t(%1 x: f32[2,3,4], %2 z: f32[2,5,4]) {
  %3 = permute %2 {axes=[0,2,1]}
  %4 = matmul %1, %3
  return y=%4
}
