# Small weights in f16 would lose digits.
graph t(%1 x: f16[1,3,4,4]) {
  %3 = const {0.5} : f16[1,1,1,1]
  %4 = mul %3, %1
  %5 "w" = param : f16[8,3,3,3]
  %7 "m" = conv2d %4, %5 {pad=[1,1]}
  return y=%7
}
