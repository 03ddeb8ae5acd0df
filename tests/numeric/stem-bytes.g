# bytes of two pictures straight into the first convolution, stride 2
graph stem(%1 image: u8[2,16,32,3]) {
  %2 "w" = param : f32[16,3,3,3]
  %3 "b" = param : f32[16]
  %4 = permute %1 {axes=[0,3,1,2]} : u8[2,3,16,32]
  %5 = cast %4 : f32[2,3,16,32]
  %6 = const {255} : f32[1,1,1,1]
  %7 = div %5, %6 : f32[2,3,16,32]
  %8 = conv2d %7, %2, %3 {stride=[2,2], pad=[1,1]} : f32[2,16,8,16]
  %9 = sigmoid %8 : f32[2,16,8,16]
  %10 = mul %8, %9 : f32[2,16,8,16]
  return y=%10
}
