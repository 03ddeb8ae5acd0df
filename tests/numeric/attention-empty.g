# heads look at keys of their own parity, and head 1 not at all from the first three queries: those get zeros
graph attend(%1 q: f32[2,48,3,7], %2 k: f32[2,48,3,7], %3 v: f32[2,48,3,7]) {
  %5 = attention %1, %2, %3 {body=graph body(%1 s: f32[21,21], %2 i: i32[21,1], %3 j: i32[1,21], %4 h: i32[1,1]) {
    %5 = add %3, %4
    %6 = const {2} : i32[1,1]
    %7 = mod %5, %6
    %8 = const {0} : i32[1,1]
    %9 = eq %7, %8
    %10 = const {3} : i32[1,1]
    %11 = lt %2, %10
    %12 = const {1} : i32[1,1]
    %13 = eq %4, %12
    %14 = and %11, %13
    %15 = not %14
    %16 = and %9, %15
    return mask=%16
  }, heads=3} : f32[2,48,3,7]
  return o=%5
}
