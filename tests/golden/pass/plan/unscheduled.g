# Lifetimes need an order.
graph t(%1 x: f32[4]) {
  %3 = exp %1 : f32[4] @1
  group @1 point root=%3 out=%3 work=0
  return y=%3
}
