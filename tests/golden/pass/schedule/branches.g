# A large value waits while a small one is made: better the other way round.
graph t(%1 x: f32[256]) {
  %2 = sin %1 : f32[256] @1
  %3 = broadcast %1 {shape=[256]} : f32[256] view
  %4 = cos %1 : f32[256] @2
  %5 = sum %4 {axes=[0]} : f32[1] @3
  %6 = exp %5 : f32[1] @4
  %7 = mul %2, %6 : f32[256] @5
  group @1 point root=%2 out=%2 work=0
  group @2 point root=%4 out=%4 work=0
  group @3 reduce root=%5 out=%5 work=0
  group @4 point root=%6 out=%6 work=0
  group @5 point root=%7 out=%7 work=0
  return y=%7
}
