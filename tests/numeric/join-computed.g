# concats that are computed: along the middle and along the last dim, in odd pieces, sliced, one in another
graph join(%1 a: f32[2,3,37], %2 b: f32[2,3,37], %3 c: f32[2,3,5], %4 d: f32[1,1,2]) {
  %5 = sub %1, %2 : f32[2,3,37]
  %6 = exp %5 : f32[2,3,37]
  %7 = add %1, %2 : f32[2,3,37]
  %8 = mul %7, %6 : f32[2,3,37]
  %9 = neg %1 : f32[2,3,37]
  %10 = concat %8, %9, %7 {axis=1} : f32[2,9,37]
  %11 = slice %3 {axis=2, begin=1, end=4} : f32[2,3,3]
  %12 = sin %11 : f32[2,3,3]
  %13 = cos %3 : f32[2,3,5]
  %14 = concat %13, %12 {axis=2} : f32[2,3,8]
  %15 = abs %14 : f32[2,3,8]
  %16 = slice %15 {axis=2, begin=2, end=7} : f32[2,3,5]
  %17 = concat %4, %4 {axis=2} : f32[1,1,4]
  %18 = slice %3 {axis=2, begin=0, end=4} : f32[2,3,4]
  %19 = min %18, %17 : f32[2,3,4]
  %20 = concat %16, %19 {axis=2} : f32[2,3,9]
  return rows=%10, columns=%20
}
