# more tiles than blocks: each block takes several, and the next one's pixels come while it works
# chain 16 1 4 1
# range w1 -0.42 0.42
# range w2 -0.42 0.42
# same
graph conv(%1 x: f32[1,16,73,61]) {
  %2 "w1" = param : f32[16,16,1,1]
  %3 "b1" = param : f32[16]
  %4 "w2" = param : f32[8,16,1,1]
  %5 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[1,16,73,61]
  %6 = sigmoid %5 : f32[1,16,73,61]
  %7 = mul %5, %6 : f32[1,16,73,61]
  %8 = conv2d %7, %4 {stride=[1,1], pad=[0,0]} : f32[1,8,73,61]
  %9 = tanh %8 : f32[1,8,73,61]
  return y=%9
}
