# sums, means, greatest, over last, first and middle dims
# tol 1e-4
graph reduce(%1 x: f32[3,18,5,7]) {
  %2 = sum %1 {axes=[3]} : f32[3,18,5,1]
  %3 = sum %1 {axes=[1]} : f32[3,1,5,7]
  %4 = mean %1 {axes=[2,3]} : f32[3,18,1,1]
  %5 = amax %1 {axes=[0]} : f32[1,18,5,7]
  %6 = amax %1 {axes=[0,1,2,3]} : f32[1,1,1,1]
  %7 = argmax %1 {axis=1} : i32[3,1,5,7]
  %8 = argmax %1 {axis=3} : i32[3,18,5,1]
  %9 = mul %1, %1 : f32[3,18,5,7]
  %10 = sum %9 {axes=[1,3]} : f32[3,1,5,1]
  %11 = sqrt %10 : f32[3,1,5,1]
  return a=%2, b=%3, c=%4, d=%5, e=%6, f=%7, g=%8, norm=%11
}
