# the same as attention-both with heads of 16: mask and score, the mask from a parameter that decides when it runs, an index that leaves its dim on
# both sides, and heads that see different bands
graph attend(%1 q: f32[1,32,3,11], %2 k: f32[1,32,3,11], %3 v: f32[1,32,3,11], %4 allowed: bool[33,33]) {
  %5 "bias" = param : f32[2,9]
  %6 = attention %1, %2, %3, %4, %5 {body=graph body(%1 s: f32[33,33], %2 i: i32[33,1], %3 j: i32[1,33], %4 h: i32[1,1], %5 allowed: bool[33,33], %6 bias: f32[2,9]) {
    %7 = pick %5, %2, %3
    %8 = sub %2, %3
    %9 = abs %8
    %10 = const {20} : i32[1,1]
    %11 = mul %4, %10
    %12 = const {9} : i32[1,1]
    %13 = add %11, %12
    %14 = le %9, %13
    %15 = and %7, %14
    %16 = const {4} : i32[1,1]
    %17 = add %8, %16
    %18 = pick %6, %4, %17
    %19 = sub %1, %18
    return mask=%15, score=%19
  }, heads=2, scale=-0.4} : f32[1,32,3,11]
  return o=%6
}
