# suppression that goes through chunk after chunk, for few boxes stay
# range xy 0 60
# range wh 20 40
# range score 0 1
# range keep 1 2
# range agnostic 1 2
# range limit 100 101
graph nms(%1 xy: f32[1,2500,2], %2 wh: f32[1,2500,2], %3 score: f32[1,2500,8], %4 keep: bool[8], %5 agnostic: i32[1], %6 limit: i32[1]) {
  %7 = add %1, %2 : f32[1,2500,2]
  %8 = concat %1, %7 {axis=2} : f32[1,2500,4]
  %9 = const {0.1} : f32[1]
  %10 = const {0.3} : f64[1]
  %11 = nms %8, %3, %9, %10, %4, %5, %6 {k=100, multi_label=0} : i32[1,100]
  return found=%11
}
