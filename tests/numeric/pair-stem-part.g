# bytes: a block makes one of the groups, and half of the first's channels
# pair 8 16 48 4 2 1
# same
# range w -0.3 0.3
# range v -0.2 0.2
# range u -0.3 0.3
# tol 2e-4
graph stem(%1 image: u8[1,64,96,3]) {
  %2 "w" = param : f32[48,3,3,3]
  %3 "b" = param : f32[48]
  %4 = permute %1 {axes=[0,3,1,2]} : u8[1,3,64,96]
  %5 = cast %4 : f32[1,3,64,96]
  %6 = const {255} : f32[1,1,1,1]
  %7 = div %5, %6 : f32[1,3,64,96]
  %8 = conv2d %7, %2, %3 {stride=[2,2], pad=[1,1]} : f32[1,48,32,48]
  %9 = sigmoid %8 : f32[1,48,32,48]
  %10 = mul %8, %9 : f32[1,48,32,48]
  %11 "v" = param : f32[96,24,3,3]
  %12 "c" = param : f32[96]
  %13 = conv2d %10, %11, %12 {stride=[2,2], pad=[1,1], groups=2} : f32[1,96,16,24]
  %14 = sigmoid %13 : f32[1,96,16,24]
  %15 = mul %13, %14 : f32[1,96,16,24]
  %16 "u" = param : f32[8,96,1,1]
  %17 = conv2d %15, %16 {stride=[1,1], pad=[0,0]} : f32[1,8,16,24]
  return y=%17
}
