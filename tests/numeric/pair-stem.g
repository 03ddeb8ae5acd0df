# bytes, and a layer with groups behind the first: ragged tiles, rows that begin anywhere
# pair 4 16 32 4 1 1
# same
# range w -0.3 0.3
# range v -0.2 0.2
# range u -0.3 0.3
# tol 2e-4
graph stem(%1 image: u8[2,67,98,3]) {
  %2 "w" = param : f32[16,3,3,3]
  %3 "b" = param : f32[16]
  %4 = permute %1 {axes=[0,3,1,2]} : u8[2,3,67,98]
  %5 = cast %4 : f32[2,3,67,98]
  %6 = const {255} : f32[1,1,1,1]
  %7 = div %5, %6 : f32[2,3,67,98]
  %8 = conv2d %7, %2, %3 {stride=[2,2], pad=[1,1]} : f32[2,16,34,49]
  %9 = sigmoid %8 : f32[2,16,34,49]
  %10 = mul %8, %9 : f32[2,16,34,49]
  %11 "v" = param : f32[32,8,3,3]
  %12 "c" = param : f32[32]
  %13 = conv2d %10, %11, %12 {stride=[2,2], pad=[1,1], groups=2} : f32[2,32,17,25]
  %14 = sigmoid %13 : f32[2,32,17,25]
  %15 = mul %13, %14 : f32[2,32,17,25]
  %16 "u" = param : f32[8,32,1,1]
  %17 = conv2d %15, %16 {stride=[1,1], pad=[0,0]} : f32[2,8,17,25]
  return y=%17
}
