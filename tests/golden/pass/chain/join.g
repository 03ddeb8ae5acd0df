# The last part of a concat is made by the kernel that mixes the parts, and the others need no common storage.
graph t(%1 x: f16[1,6,6,8]) {
  %3 "w1" = param : f16[8,8,3,3]
  %4 "w2" = param : f16[8,8,3,3]
  %5 "w3" = param : f16[8,16,1,1]
  %9 = conv2d %1, %3 {layout="nhwc", pad=[1,1]} : f16[1,6,6,8] @1
  %10 = conv2d %9, %4 {layout="nhwc", pad=[1,1]} : f16[1,6,6,8] @2
  %11 = concat %9, %10 {axis=3} : f16[1,6,6,16] join
  %12 = conv2d %11, %5 {layout="nhwc"} : f16[1,6,6,8] @3
  group @1 conv root=%9 out=%9 work=0
  group @2 conv root=%10 out=%10 work=0
  group @3 conv root=%12 out=%12 work=0
  return y=%12, z=%9
}
