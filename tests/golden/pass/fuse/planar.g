# Scores leave class by class: the convolutions write them so, seen through reshape, join and permute.
graph t(%1 a: f32[1,4,4,8], %2 b: f32[1,2,2,8]) {
  %3 "w" = param : f32[6,8,1,1]
  %4 "c4" = conv2d %1, %3 {layout="nhwc"}
  %5 = sigmoid %4
  %6 = reshape %5 {shape=[1,16,6]}
  %7 "c7" = conv2d %2, %3 {layout="nhwc"}
  %8 = sigmoid %7
  %9 = reshape %8 {shape=[1,4,6]}
  %10 = concat %6, %9 {axis=1}
  %11 = permute %10 {axes=[0,2,1]}
  return scores=%11
}
