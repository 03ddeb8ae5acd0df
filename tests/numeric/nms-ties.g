# suppression among thousands of equal scores, some of them -0
# range xy 0 600
# range wh 20 40
# range score -1 1
# range keep 1 2
# range agnostic 0 1
# range limit 299 300
graph nms(%1 xy: f32[2,3000,2], %2 wh: f32[2,3000,2], %3 score: f32[2,3000,5], %4 keep: bool[5], %5 agnostic: i32[1], %6 limit: i32[1]) {
  %7 = add %1, %2 : f32[2,3000,2]
  %8 = concat %1, %7 {axis=2} : f32[2,3000,4]
  %9 = const {-0.5} : f32[1]
  %10 = const {0.6} : f64[1]
  %11 = const {2.0} : f32[1,1,1]
  %12 = mul %3, %11 : f32[2,3000,5]
  %13 = round %12 : f32[2,3000,5]
  %14 = nms %8, %13, %9, %10, %4, %5, %6 {k=300, multi_label=0} : i32[2,300]
  return found=%14
}
