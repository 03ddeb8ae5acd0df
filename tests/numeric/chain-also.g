# a middle value that others read, too, as a part of a join: 40 channels, rows of 48; 126 rows are no whole tiles
# chain 16 1 4 1
# also
# range w1 -0.6 0.6
# range w2 -0.25 0.25
# range w3 -0.08 0.08
# same
graph conv(%1 x: f32[2,8,7,9]) {
  %2 "w1" = param : f32[40,8,1,1]
  %3 "b1" = param : f32[40]
  %4 "w2" = param : f32[80,40,1,1]
  %5 "b2" = param : f32[80]
  %10 "w3" = param : f32[8,40,3,3]
  %6 = conv2d %1, %2, %3 {stride=[1,1], pad=[0,0]} : f32[2,40,7,9]
  %7 = sigmoid %6 : f32[2,40,7,9]
  %8 = mul %6, %7 : f32[2,40,7,9]
  %9 = conv2d %8, %4, %5 {stride=[1,1], pad=[0,0]} : f32[2,80,7,9]
  %11 = conv2d %8, %10 {stride=[1,1], pad=[1,1]} : f32[2,8,7,9]
  %12 = concat %8, %11 {axis=1} : f32[2,48,7,9]
  %13 "w4" = param : f32[8,48,3,3]
  %14 = conv2d %12, %13 {stride=[1,1], pad=[1,1]} : f32[2,8,7,9]
  return y=%9, z=%14
}
