# Two convolutions read %9: one of them is in its kernel, and one value besides the out is all that leaves that.
graph t(%1 x: f16[1,6,6,8]) {
  %3 "w1" = param : f16[8,8,1,1]
  %4 "w2" = param : f16[8,8,1,1]
  %5 "w3" = param : f16[16,8,1,1]
  %9 = conv2d %1, %3 {layout="nhwc"} : f16[1,6,6,8] @1
  %10 = conv2d %9, %4 {layout="nhwc"} : f16[1,6,6,8] @2
  %11 = conv2d %9, %5 {layout="nhwc"} : f16[1,6,6,16] @3
  group @1 conv root=%9 out=%9 work=0
  group @2 conv root=%10 out=%10 work=0
  group @3 conv root=%11 out=%11 work=0
  return y=%11, z=%10
}
