# a patch of bytes: more tiles than blocks, ragged ones
# tile 8 8 16 1 2 2 2
graph stem(%1 image: u8[2,200,304,3]) {
  %2 "w" = param : f32[16,3,3,3]
  %3 "b" = param : f32[16]
  %4 = permute %1 {axes=[0,3,1,2]} : u8[2,3,200,304]
  %5 = cast %4 : f32[2,3,200,304]
  %6 = const {255} : f32[1,1,1,1]
  %7 = div %5, %6 : f32[2,3,200,304]
  %8 = conv2d %7, %2, %3 {stride=[2,2], pad=[1,1]} : f32[2,16,100,152]
  %9 = sigmoid %8 : f32[2,16,100,152]
  %10 = mul %8, %9 : f32[2,16,100,152]
  %11 "v" = param : f32[8,16,1,1]
  %12 = conv2d %10, %11 {stride=[1,1], pad=[0,0]} : f32[2,8,100,152]
  return y=%12
}
