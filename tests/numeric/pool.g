# greatest and mean of windows
graph pool(%1 x: f32[2,20,9,10]) {
  %2 = pool %1 {kernel=[3,3], kind="max", pad=[1,1], stride=[2,2]} : f32[2,20,5,5]
  %3 = pool %1 {kernel=[2,3], kind="mean", pad=[0,1], stride=[1,2]} : f32[2,20,8,5]
  return m=%2, a=%3
}
