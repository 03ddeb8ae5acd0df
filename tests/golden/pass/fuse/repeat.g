# A resize would compute the exponential four times over: it is made first.
graph t(%1 x: f32[1,64,64,4]) {
  %2 = exp %1
  %3 = resize %2 {factor=2, layout="nhwc"}
  %4 = abs %1
  %5 = resize %4 {factor=2, layout="nhwc"}
  return y=%3, z=%5
}
