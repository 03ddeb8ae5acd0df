# indices of the greatest, ties first come
# range y 0 3
graph topk(%1 x: f32[3,40], %2 y: i32[2,9]) {
  %3 = topk %1 {k=7} : i32[3,7]
  %4 = topk %2 {k=9} : i32[2,9]
  return a=%3, b=%4
}
