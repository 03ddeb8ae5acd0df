# Neighbours in a join that would be a kernel each are one, which takes along what they are made from.
graph t(%1 a: f32[1,2,8], %2 b: f32[1,2,8], %3 c: f32[1,8,1,4]) {
  %4 = add %1, %2
  %5 = sub %1, %2
  %6 = mul %4, %5
  %7 "w" = param : f32[3,4,1,1]
  %8 "c8" = conv2d %3, %7 {layout="nhwc"}
  %9 = reshape %8 {shape=[1,8,3]}
  %10 = permute %9 {axes=[0,2,1]}
  %11 = exp %4
  %12 = concat %11, %6, %10 {axis=1}
  return y=%12
}
