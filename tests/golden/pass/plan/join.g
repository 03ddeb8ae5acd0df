# One buffer for a join and its parts, from the first write to the last read.
graph t(%1 x: f32[2,8]) {
  %2 = exp %1 : f32[2,8] @1
  %3 = sin %2 : f32[2,8] @2
  %4 = concat %2, %3 {axis=1} : f32[2,16] join
  %5 = slice %4 {axis=1, begin=4, end=12} : f32[2,8] view
  %6 = cos %5 : f32[2,8] @3
  group @1 point root=%2 out=%2 work=0
  group @2 point root=%3 out=%3 work=0
  group @3 point root=%6 out=%6 work=0
  schedule @1 @2 @3
  return y=%6
}
