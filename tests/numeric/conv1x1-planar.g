# scores of two levels, class by class: the convolutions write where the last permute wants them
graph head(%1 x: f32[2,16,7,9], %2 y: f32[2,24,3,5]) {
  %3 "w1" = param : f32[37,16,1,1]
  %4 "w2" = param : f32[37,24,1,1]
  %5 "b1" = param : f32[37]
  %6 "b2" = param : f32[37]
  %7 = conv2d %1, %3, %5 {stride=[1,1], pad=[0,0]} : f32[2,37,7,9]
  %8 = conv2d %2, %4, %6 {stride=[1,1], pad=[0,0]} : f32[2,37,3,5]
  %9 = reshape %7 {shape=[2,37,63]} : f32[2,37,63]
  %10 = reshape %8 {shape=[2,37,15]} : f32[2,37,15]
  %11 = concat %9, %10 {axis=2} : f32[2,37,78]
  %12 = sigmoid %11 : f32[2,37,78]
  return scores=%12
}
