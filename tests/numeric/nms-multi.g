# suppression with a box for every class
# range xy 0 60
# range wh 20 40
# range score 0 1
# range keep 1 2
# range agnostic 0 1
# range limit 12 13
graph nms(%1 xy: f32[2,70,2], %2 wh: f32[2,70,2], %3 score: f32[2,70,3], %4 keep: bool[3], %5 agnostic: i32[1], %6 limit: i32[1]) {
  %7 = add %1, %2 : f32[2,70,2]
  %8 = concat %1, %7 {axis=2} : f32[2,70,4]
  %9 = const {0.8} : f32[1]
  %10 = const {0.45} : f64[1]
  %11 = nms %8, %3, %9, %10, %4, %5, %6 {k=20, multi_label=1} : i32[2,20]
  return found=%11
}
