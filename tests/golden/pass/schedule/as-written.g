# An order that is already the best stays as written.
graph t(%1 x: f32[16], %2 z: f32[4096]) {
  %3 = exp %1 : f32[16] @1
  %4 = sum %3 {axes=[0]} : f32[1] @2
  %5 = exp %2 : f32[4096] @3
  %6 = sum %5 {axes=[0]} : f32[1] @4
  %8 = concat %4, %6 {axis=0} : f32[2] join
  %7 = sin %8 : f32[2] @5
  group @1 point root=%3 out=%3 work=0
  group @2 reduce root=%4 out=%4 work=0
  group @3 point root=%5 out=%5 work=0
  group @4 reduce root=%6 out=%6 work=0
  group @5 point root=%7 out=%7 work=0
  return y=%7
}
