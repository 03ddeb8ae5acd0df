# products of matrices, either side turned, batches
# tol 1e-4
graph matmul(%1 a: f32[2,3,7,9], %2 b: f32[2,3,9,19], %3 c: f32[2,3,19,9]) {
  %4 = matmul %1, %2 : f32[2,3,7,19]
  %5 = matmul %1, %3 {tb=1} : f32[2,3,7,19]
  %6 = matmul %2, %1 {ta=1, tb=1} : f32[2,3,19,7]
  %7 = tanh %4 : f32[2,3,7,19]
  return p=%7, q=%5, r=%6
}
