# Values are a slice beside queries and keys: attention and a depthwise convolution read them where they are.
graph t(%1 x: f32[1,4,4,8]) {
  %2 "wqk" = param : f32[16,8,1,1]
  %3 "wv" = param : f32[8,8,1,1]
  %4 "bqk" = param : f32[16]
  %5 "bv" = param : f32[8]
  %6 "wpe" = param : f32[8,1,5,5]
  %7 "qk" = conv2d %1, %2, %4 {layout="nhwc"}
  %8 "v" = conv2d %1, %3, %5 {layout="nhwc"}
  %9 "pe" = conv2d %8, %6 {groups=8, layout="nhwc", pad=[2,2]}
  %10 = slice %7 {axis=3, begin=0, end=8}
  %11 = slice %7 {axis=3, begin=8, end=16}
  %12 = attention %10, %11, %8 {heads=1, layout="nhwc"}
  %13 = add %12, %9
  return y=%13
}
