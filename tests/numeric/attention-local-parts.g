# the list of a mask, in runs of 80 keys
# tile 4 16 80 1 2
graph attend(%1 q: f32[1,32,20,20], %2 k: f32[1,32,20,20], %3 v: f32[1,32,20,20]) {
  %5 = attention %1, %2, %3 {body=graph body(%1 s: f32[400,400], %2 i: i32[400,1], %3 j: i32[1,400], %4 h: i32[1,1]) {
    %5 = const {20} : i32[1,1]
    %6 = div %2, %5
    %7 = div %3, %5
    %8 = sub %6, %7
    %9 = abs %8
    %10 = const {1} : i32[1,1]
    %11 = le %9, %10
    %12 = mod %2, %5
    %13 = mod %3, %5
    %14 = sub %12, %13
    %15 = abs %14
    %16 = const {2} : i32[1,1]
    %17 = le %15, %16
    %18 = and %11, %17
    return mask=%18
  }, heads=1} : f32[1,32,20,20]
  return o=%5
}
