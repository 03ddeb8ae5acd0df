# Another activation, another stride, a sum with what is in memory, few channels, an output: each stays apart.
graph t(%1 x: f32[1,8,8,16], %2 r: f32[1,8,8,8]) {
  %3 "w3" = param : f32[8,16,1,1]
  %4 "w4" = param : f32[6,16,1,1]
  %5 "w5" = param : f32[4,8,1,1]
  %10 "sigmoid" = conv2d %1, %3 {layout="nhwc"}
  %11 = sigmoid %10
  %12 "after" = conv2d %11, %5 {layout="nhwc"}
  %20 "tanh" = conv2d %1, %3 {layout="nhwc", pad=[0,0]}
  %21 = tanh %20
  %22 "after2" = conv2d %21, %5 {layout="nhwc"}
  %30 "stride" = conv2d %1, %3 {layout="nhwc", stride=[2,2]}
  %31 = sigmoid %30
  %32 "after3" = conv2d %31, %5 {layout="nhwc"}
  %40 "sum" = conv2d %1, %3 {layout="nhwc"}
  %41 = sigmoid %40
  %42 = add %41, %2
  %50 "few" = conv2d %1, %4 {layout="nhwc"}
  %51 = sigmoid %50
  %52 = exp %51
  %53 "w53" = param : f32[4,6,1,1]
  %54 "after4" = conv2d %52, %53 {layout="nhwc"}
  %60 "out" = conv2d %1, %3 {layout="nhwc"}
  %61 = sigmoid %60
  return a=%12, b=%22, c=%32, d=%42, e=%54, f=%61
}
