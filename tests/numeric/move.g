# re-indexing that can't be a view, straight to outputs
graph move(%1 x: f32[2,3,4,5]) {
  %2 = permute %1 {axes=[0,2,3,1]} : f32[2,4,5,3]
  %3 = slice %1 {axis=3, begin=1, end=5, step=2} : f32[2,3,4,2]
  %4 = slice %1 {axis=1, begin=1, end=3} : f32[2,2,4,5]
  %5 = reshape %1 {shape=[6,20]} : f32[6,20]
  %6 = resize %1 {factor=2} : f32[2,3,8,10]
  %7 = concat %1, %1 {axis=1} : f32[2,6,4,5]
  %8 = concat %1, %1 {axis=3} : f32[2,3,4,10]
  %9 = slice %1 {axis=0, begin=0, end=1} : f32[1,3,4,5]
  %10 = broadcast %9 {shape=[2,3,4,5]} : f32[2,3,4,5]
  %11 = permute %1 {axes=[3,2,1,0]} : f32[5,4,3,2]
  %12 = reshape %11 {shape=[20,6]} : f32[20,6]
  return p=%2, s=%3, c=%4, r=%5, u=%6, j=%7, k=%8, b=%10, t=%12
}
