# The first convolution reads bytes one by one, wherever they are, and makes reals of them.
graph t(%1 x: u8[1,3,64,64]) {
  %2 = cast %1 : f32[1,3,64,64]
  %5 = permute %2 {axes=[0,2,3,1]}
  %6 "w6" = param : f32[4,3,3,3]
  %7 "c7" = conv2d %5, %6 {layout="nhwc", pad=[1,1], stride=[2,2]}
  %8 = sigmoid %7
  return y=%8
}
