# rows by index, with a fill for -1 and past the end
# range i -2 5
# range j -1 7
graph gather(%1 x: f32[2,5,3], %2 i: i32[2,4], %3 y: i32[7], %4 j: i32[3]) {
  %5 = gather %1, %2 {axis=1, fill=9.5} : f32[2,4,3]
  %6 = gather %3, %4 {axis=0, fill=-3} : i32[3]
  return a=%5, b=%6
}
