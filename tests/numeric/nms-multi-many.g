# suppression with a box for every class, and no more candidates than max_nms
# range xy 0 60
# range wh 20 40
# range score 0 1
# range keep 1 2
# range agnostic 0 1
# range limit 250 251
graph nms(%1 xy: f32[2,500,2], %2 wh: f32[2,500,2], %3 score: f32[2,500,8], %4 keep: bool[8], %5 agnostic: i32[1], %6 limit: i32[1]) {
  %7 = add %1, %2 : f32[2,500,2]
  %8 = concat %1, %7 {axis=2} : f32[2,500,4]
  %9 = const {0.2} : f32[1]
  %10 = const {0.5} : f64[1]
  %11 = const {40.0} : f32[1,1,1]
  %12 = mul %3, %11 : f32[2,500,8]
  %13 = round %12 : f32[2,500,8]
  %14 = nms %8, %13, %9, %10, %4, %5, %6 {k=256, multi_label=1, max_nms=1700} : i32[2,256]
  return found=%14
}
