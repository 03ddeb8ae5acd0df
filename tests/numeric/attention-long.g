# 640 tokens, a score that grows with the distance and a mask by heads: lists of tiles for each head, and rows of
# queries that do not fill the last tile
# slow
graph attend(%1 q: f32[1,64,16,40], %2 k: f32[1,64,16,40], %3 v: f32[1,64,16,40]) {
  %4 "slope" = param : f32[2]
  %5 = attention %1, %2, %3, %4 {body=graph body(%1 s: f32[640,640], %2 i: i32[640,1], %3 j: i32[1,640], %4 h: i32[1,1], %5 slope: f32[2]) {
    %6 = sub %2, %3
    %7 = abs %6
    %8 = cast %7 : f32[640,640]
    %9 = const {0.01} : f32[1,1]
    %10 = mul %8, %9
    %11 = pick %5, %4
    %12 = mul %10, %11
    %13 = sub %1, %12
    %14 = const {100} : i32[1,1]
    %15 = mul %4, %14
    %16 = const {25} : i32[1,1]
    %17 = add %15, %16
    %18 = le %7, %17
    return mask=%18, score=%13
  }, heads=2} : f32[1,64,16,40]
  return o=%5
}
