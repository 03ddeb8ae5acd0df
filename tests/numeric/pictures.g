# a few layers of a batch of four, as the pass split would cut it: slices of an input, a join of pictures
graph batch(%1 x: f32[4,8,7,6]) {
  %2 "w" = param : f32[16,8,3,3]
  %3 "w3" = param : f32[8,16,1,1]
  %4 = slice %1 {axis=0, begin=0, end=2} : f32[2,8,7,6]
  %5 = slice %1 {axis=0, begin=2, end=4} : f32[2,8,7,6]
  %6 = conv2d %4, %2 {stride=[1,1], pad=[1,1]} : f32[2,16,7,6]
  %7 = conv2d %5, %2 {stride=[1,1], pad=[1,1]} : f32[2,16,7,6]
  %8 = tanh %6 : f32[2,16,7,6]
  %9 = tanh %7 : f32[2,16,7,6]
  %10 = concat %8, %9 {axis=0} : f32[4,16,7,6]
  %11 = conv2d %10, %3 {stride=[1,1], pad=[0,0]} : f32[4,8,7,6]
  return y=%11
}
