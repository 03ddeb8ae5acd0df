# Constants are equal if their values are, parameters if their names are.
graph t(%1 x: f32[2]) {
  %2 = const {1, 2} : f32[2]
  %3 = const {1, 2} : f32[2]
  %4 "w" = param : f32[2]
  %5 "w" = param : f32[2]
  %6 = add %1, %2
  %7 = add %1, %3
  %8 = mul %6, %4
  %9 = mul %7, %5
  %10 = sub %8, %9
  return y=%10
}
