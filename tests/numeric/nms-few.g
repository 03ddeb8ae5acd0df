# suppression that stops at a limit inside of a run, 7 classes
# range xy 0 300
# range wh 20 40
# range score 0 1
# range keep 1 2
# range agnostic 0 1
# range limit 45 46
graph nms(%1 xy: f32[3,333,2], %2 wh: f32[3,333,2], %3 score: f32[3,333,7], %4 keep: bool[7], %5 agnostic: i32[1], %6 limit: i32[1]) {
  %7 = add %1, %2 : f32[3,333,2]
  %8 = concat %1, %7 {axis=2} : f32[3,333,4]
  %9 = const {0.5} : f32[1]
  %10 = const {0.7} : f64[1]
  %11 = nms %8, %3, %9, %10, %4, %5, %6 {k=64, multi_label=0} : i32[3,64]
  return found=%11
}
