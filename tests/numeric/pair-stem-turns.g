# bytes: more tiles than blocks, so the next tile's wait in registers; both groups in a block
# pair 8 8 32 4 1 1
# same
# range w -0.3 0.3
# range v -0.2 0.2
# range u -0.3 0.3
# tol 2e-4
graph stem(%1 image: u8[3,200,304,3]) {
  %2 "w" = param : f32[16,3,3,3]
  %3 "b" = param : f32[16]
  %4 = permute %1 {axes=[0,3,1,2]} : u8[3,3,200,304]
  %5 = cast %4 : f32[3,3,200,304]
  %6 = const {255} : f32[1,1,1,1]
  %7 = div %5, %6 : f32[3,3,200,304]
  %8 = conv2d %7, %2, %3 {stride=[2,2], pad=[1,1]} : f32[3,16,100,152]
  %9 = sigmoid %8 : f32[3,16,100,152]
  %10 = mul %8, %9 : f32[3,16,100,152]
  %11 "v" = param : f32[32,8,3,3]
  %12 "c" = param : f32[32]
  %13 = conv2d %10, %11, %12 {stride=[2,2], pad=[1,1], groups=2} : f32[3,32,50,76]
  %14 = sigmoid %13 : f32[3,32,50,76]
  %15 = mul %13, %14 : f32[3,32,50,76]
  %16 "u" = param : f32[8,32,1,1]
  %17 = conv2d %15, %16 {stride=[1,1], pad=[0,0]} : f32[3,8,50,76]
  return y=%17
}
