# a list for tiles of 32 queries and 16 keys, keys split among warps; two heads of 32, runs of 30 tokens
# tile 1 32 16 2 1
# that end within a row
graph attend(%1 q: f32[1,64,6,10], %2 k: f32[1,64,6,10], %3 v: f32[1,64,6,10], %4 p: f32[1,64,6,10]) {
  %5 = attention %1, %2, %3 {body=graph body(%1 s: f32[30,30], %2 i: i32[30,1], %3 j: i32[1,30], %4 h: i32[1,1]) {
    %5 = le %3, %2
    return mask=%5
  }, heads=2, windows=2} : f32[1,64,6,10]
  %6 = add %5, %4 : f32[1,64,6,10]
  return o=%6
}
