# %9 is read elsewhere, too: its kernel writes it beside its out.  %10 is an output, so that its reader stays apart.
graph t(%1 x: f16[1,6,6,8]) {
  %3 "w1" = param : f16[8,8,1,1]
  %4 "w2" = param : f16[8,8,1,1]
  %5 "w3" = param : f16[8,8,1,1]
  %9 = conv2d %1, %3 {layout="nhwc"} : f16[1,6,6,8] @1
  %10 = conv2d %9, %4 {layout="nhwc"} : f16[1,6,6,8] @2
  %11 = conv2d %10, %5 {layout="nhwc"} : f16[1,6,6,8] @3
  %12 = add %11, %9 : f16[1,6,6,8] @3
  group @1 conv root=%9 out=%9 work=0
  group @2 conv root=%10 out=%10 work=0
  group @3 conv root=%11 out=%12 work=0
  return y=%12, z=%10
}
