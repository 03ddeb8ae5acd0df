# A planned graph: a residual in place, a concat as a join, a slice as a view, a workspace.
graph detect(%1 image: f32[1,4,4,4], %2 conf: f32[1] = {0.25}, %3 "odd name": i32[1]) {
  meta names="qr,data\"matrix\\ \n\x01 é"
  meta "odd key"="x"
  %4 "model.0.conv.weight" = param : f32[4,4,1,1]
  %5 "model.0.conv" = conv2d %1, %4 {pad=[0,0], stride=[1,1]} : f32[1,4,4,4] @1
  %6 = slice %5 {axis=1, begin=0, end=2} : f32[1,2,4,4] view
  %8 = slice %5 {axis=1, begin=2, end=4} : f32[1,2,4,4] view
  %9 = sigmoid %8 : f32[1,2,4,4] @2
  %10 = mul %8, %9 : f32[1,2,4,4] @2
  %11 = concat %6, %8, %10 {axis=1} : f32[1,6,4,4] join
  %12 = const {0.5, -0, 1e-05, inf} : f32[1,4,1,1]
  %21 = param : f32[4,3,1,1]
  %20 = conv2d %11, %21 {groups=2} : f32[1,4,4,4] @5
  %22 = add %20, %12 : f32[1,4,4,4] @5
  %23 = exp %22 : f32[1,4,4,4] @6
  %24 = permute %23 {axes=[0,2,3,1]} : f32[1,4,4,4] view
  group @1 conv root=%5 out=%5 tile={14,2,-16} work=0
  group @2 point root=%10 out=%10 work=0
  group @5 conv root=%20 out=%22 tile={1} work=100 buf=b5
  group @6 point root=%23 out=%23 work=0
  schedule @1 @2 @5 @6
  buffer b1 input owner=%1 bytes=256 offset=0 live=-1..4
  buffer b2 const owner=%4 bytes=64 offset=0 live=0..3
  buffer b3 arena owner=%11 bytes=384 offset=0 live=0..3
  buffer b4 arena owner=%22 bytes=256 offset=384 live=2..3
  buffer b5 arena group=@5 bytes=100 offset=640 live=2..2
  buffer b6 const owner=%21 bytes=48 offset=64 live=0..3
  place %1 b1 +0 [64,16,4,1]
  place %4 b2 +0 [4,1,1,1]
  place %5 b3 +0 [96,16,4,1]
  place %6 b3 +0 [96,16,4,1]
  place %8 b3 +32 [96,16,4,1]
  place %10 b3 +64 [96,16,4,1]
  place %11 b3 +0 [96,16,4,1]
  place %21 b6 +0 [3,1,1,1]
  place %22 b4 +0 [64,16,4,1]
  place %23 b4 +0 [64,16,4,1]
  place %24 b4 +0 [64,4,1,16]
  plan peak=740 bound=740 weights=112 work=100
  return boxes=%24, %24, "a b"=%6
}
