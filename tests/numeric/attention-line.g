# a bias by distance whose rows are loaded as vectors, 48 tokens; and one that turns the order round, gathered
graph attend(%1 q: f32[1,32,6,8], %2 k: f32[1,32,6,8], %3 v: f32[1,32,6,8]) {
  %4 "bias" = param : f32[2,95]
  %5 = attention %1, %2, %3, %4 {body=graph body(%1 s: f32[48,48], %2 i: i32[48,1], %3 j: i32[1,48], %4 h: i32[1,1], %5 bias: f32[2,95]) {
    %6 = sub %3, %2
    %7 = const {47} : i32[1,1]
    %8 = add %7, %6
    %9 = pick %5, %4, %8
    %10 = sub %7, %6
    %11 = pick %5, %4, %10
    %12 = add %1, %9
    %13 = sub %12, %11
    return score=%13
  }, heads=2} : f32[1,32,6,8]
  return o=%5
}
