# A cast through a narrower type rounds.
graph t(%1 x: f32[1,4]) {
  %2 = cast %1 : f16[1,4]
  %3 = cast %2 : f32[1,4]
  return y=%3
}
