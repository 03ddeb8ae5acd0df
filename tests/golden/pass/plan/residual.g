# A convolution may write over its residual, but not over its picture.
graph t(%1 x: f32[1,4,4,4]) {
  %2 "w" = param : f32[4,4,1,1]
  %3 = exp %1 : f32[1,4,4,4] @1
  %4 = sin %1 : f32[1,4,4,4] @2
  %5 = conv2d %3, %2 {layout="nhwc"} : f32[1,4,4,4] @3
  %6 = add %5, %4 : f32[1,4,4,4] @3
  %7 = conv2d %6, %2 {layout="nhwc"} : f32[1,4,4,4] @4
  %8 = add %7, %6 : f32[1,4,4,4] @4
  group @1 point root=%3 out=%3 work=0
  group @2 point root=%4 out=%4 work=0
  group @3 conv root=%5 out=%6 work=0
  group @4 conv root=%7 out=%8 work=100
  schedule @1 @2 @3 @4
  return y=%8
}
