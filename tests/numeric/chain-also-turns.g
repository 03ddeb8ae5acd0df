# more tiles than blocks, and the first step's result leaves, too; it is depthwise
# chain 16 1 4 1
# also
# range w1 -0.42 0.42
# range w2 -0.42 0.42
# range w3 -0.1 0.1
graph conv(%1 x: f32[1,16,73,61]) {
  %2 "w1" = param : f32[16,1,3,3]
  %3 "b1" = param : f32[16]
  %4 "w2" = param : f32[8,16,1,1]
  %10 "w3" = param : f32[8,16,3,3]
  %5 = conv2d %1, %2, %3 {stride=[1,1], pad=[1,1], groups=16} : f32[1,16,73,61]
  %6 = sigmoid %5 : f32[1,16,73,61]
  %7 = mul %5, %6 : f32[1,16,73,61]
  %8 = conv2d %7, %4 {stride=[1,1], pad=[0,0]} : f32[1,8,73,61]
  %9 = tanh %8 : f32[1,8,73,61]
  %11 = conv2d %7, %10 {stride=[1,1], pad=[1,1]} : f32[1,8,73,61]
  return y=%9, z=%11
}
