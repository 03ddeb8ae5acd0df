# a score on 32 queries of a warp at a time; the last of queries and keys do not exist
# tile 1 32 16 1 1
graph attend(%1 q: f32[1,64,5,8], %2 k: f32[1,64,5,8], %3 v: f32[1,64,5,8], %4 p: f32[1,64,5,8]) {
  %5 "bias" = param : f32[4,39]
  %6 "temperature" = param : f32[4]
  %7 = attention %1, %2, %3, %5, %6 {body=graph body(%1 s: f32[20,20], %2 i: i32[20,1], %3 j: i32[1,20], %4 h: i32[1,1], %5 bias: f32[4,39], %6 temperature: f32[4]) {
    %7 = pick %6, %4
    %8 = mul %1, %7
    %9 = sub %3, %2
    %10 = const {19} : i32[1,1]
    %11 = add %9, %10
    %12 = pick %5, %4, %11
    %13 = add %8, %12
    %14 = const {8} : f32[1,1]
    %15 = div %13, %14
    %16 = tanh %15
    %17 = mul %16, %14
    return score=%17
  }, heads=4, windows=2} : f32[1,64,5,8]
  %8 = add %7, %4 : f32[1,64,5,8]
  return o=%8
}
