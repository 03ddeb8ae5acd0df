# So do pool and resize.
graph t(%1 x: f32[1,4,6,6]) {
  %2 = pool %1 {kernel=[2,2], kind="max"}
  %3 = resize %2 {factor=2}
  return y=%3
}
