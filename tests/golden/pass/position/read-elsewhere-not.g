# An attention that somebody else reads has to be in memory; only one value leaves a kernel.
graph t(%1 q: f16[1,6,6,16], %2 k: f16[1,6,6,16], %3 v: f16[1,6,6,16]) {
  %5 "w" = param : f16[16,1,5,5]
  %9 = attention %1, %2, %3 {heads=1, layout="nhwc"} : f16[1,6,6,16] @1
  %10 = conv2d %3, %5 {groups=16, layout="nhwc", pad=[2,2]} : f16[1,6,6,16] @2
  %11 = add %10, %9 : f16[1,6,6,16] @2
  group @1 attention root=%9 out=%9 work=0
  group @2 depthwise root=%10 out=%11 work=0
  return y=%11, z=%9
}
