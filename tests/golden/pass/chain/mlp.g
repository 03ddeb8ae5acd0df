# Projection, residual and the two layers of a perceptron are one kernel; %10 is read twice inside, which is fine.
graph t(%1 x: f16[1,6,6,8], %2 r: f16[1,6,6,8]) {
  %3 "w1" = param : f16[8,8,1,1]
  %4 "w2" = param : f16[16,8,1,1]
  %5 "w3" = param : f16[8,16,1,1]
  %9 = conv2d %1, %3 {layout="nhwc"} : f16[1,6,6,8] @1
  %10 = add %9, %2 : f16[1,6,6,8] @1
  %11 = conv2d %10, %4 {layout="nhwc"} : f16[1,6,6,16] @2
  %12 = tanh %11 : f16[1,6,6,16] @2
  %13 = conv2d %12, %5 {layout="nhwc"} : f16[1,6,6,8] @3
  %14 = add %13, %10 : f16[1,6,6,8] @3
  group @1 conv root=%9 out=%10 work=0
  group @2 conv root=%11 out=%12 work=0
  group @3 conv root=%13 out=%14 work=0
  return y=%14
}
