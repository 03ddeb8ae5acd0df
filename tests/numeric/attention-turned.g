# strips of columns: the map is turned round before and behind an attention by rows
graph attend(%1 q: f32[2,32,7,6], %2 k: f32[2,32,7,6], %3 v: f32[2,32,7,6], %4 p: f32[2,32,7,6]) {
  %5 = permute %1 {axes=[0,1,3,2]}
  %6 = permute %2 {axes=[0,1,3,2]}
  %7 = permute %3 {axes=[0,1,3,2]}
  %8 = attention %5, %6, %7 {body=graph body(%1 s: f32[42,42], %2 i: i32[42,1], %3 j: i32[1,42], %4 h: i32[1,1]) {
    %5 = const {14} : i32[1,1]
    %6 = div %2, %5
    %7 = div %3, %5
    %8 = eq %6, %7
    return mask=%8
  }, heads=2} : f32[2,32,6,7]
  %9 = permute %8 {axes=[0,1,3,2]}
  %10 = add %9, %4 : f32[2,32,7,6]
  return o=%10
}
