# 7x7, rows in runs of two, no padding below the picture's size; a tile larger than all pixels
# chain 128 4 2 1
# range w1 -0.2 0.2
# range w2 -0.25 0.25
graph conv(%1 x: f32[1,16,5,6]) {
  %2 "w1" = param : f32[16,1,7,7]
  %3 "w2" = param : f32[16,16,1,1]
  %4 = conv2d %1, %2 {stride=[1,1], pad=[3,3], groups=16} : f32[1,16,5,6]
  %5 = tanh %4 : f32[1,16,5,6]
  %6 = conv2d %5, %3 {stride=[1,1], pad=[0,0]} : f32[1,16,5,6]
  return y=%6
}
