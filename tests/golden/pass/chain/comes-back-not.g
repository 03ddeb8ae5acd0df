# %9 is read by @3, and what that makes by @2: with @1 and @2 in one kernel @3 could run neither before nor after it.
graph t(%1 x: f16[1,6,6,8]) {
  %3 "w1" = param : f16[8,8,1,1]
  %4 "w2" = param : f16[8,8,1,1]
  %9 = conv2d %1, %3 {layout="nhwc"} : f16[1,6,6,8] @1
  %7 = pool %9 {layout="nhwc", kind="max", kernel=[3,3], stride=[1,1], pad=[1,1]} : f16[1,6,6,8] @3
  %10 = conv2d %9, %4 {layout="nhwc"} : f16[1,6,6,8] @2
  %11 = add %10, %7 : f16[1,6,6,8] @2
  group @1 conv root=%9 out=%9 work=0
  group @2 conv root=%10 out=%11 work=0
  group @3 pool root=%7 out=%7 work=0
  return y=%11
}
