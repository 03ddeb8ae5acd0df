# A pointwise group writes over an operand that dies there, and does not touch one that lives on.
graph t(%1 x: f32[64]) {
  %2 = exp %1 : f32[64] @1
  %3 = sin %2 : f32[64] @2
  %4 = cos %3 : f32[64] @3
  %5 = add %3, %4 : f32[64] @4
  group @1 point root=%2 out=%2 work=0
  group @2 point root=%3 out=%3 work=0
  group @3 point root=%4 out=%4 work=0
  group @4 point root=%5 out=%5 work=0
  schedule @1 @2 @3 @4
  return y=%5
}
