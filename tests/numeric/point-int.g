# integers divide toward minus infinity; casts both ways
# range x -20 20
# range y -5 5
# range f -9 9
graph point(%1 x: i32[3,17], %2 y: i32[3,17], %3 u: u8[3,17], %4 f: f32[3,17]) {
  %5 = const {2} : i32[1,1]
  %6 = mul %2, %5 : i32[3,17]
  %7 = const {1} : i32[1,1]
  %8 = add %6, %7 : i32[3,17]
  %9 = div %1, %8 : i32[3,17]
  %10 = mod %1, %8 : i32[3,17]
  %11 = cast %3 : f32[3,17]
  %12 = const {255} : f32[1,1]
  %13 = div %11, %12 : f32[3,17]
  %14 = cast %4 : i32[3,17]
  %15 = cast %4 : f64[3,17]
  %16 = cast %14 : bool[3,17]
  return q=%9, r=%10, unit=%13, whole=%14, wide=%15, some=%16
}
