# one pixel wide
# size image 333 1
graph letterbox(%1 image: u8[?,?,3]) {
  %2 = fit %1 {target=[64,64], frame=[64,64]} : f64[10]
  %3 = warp %1, %2 {frame=[64,64], fill=114} : u8[1,64,64,3]
  return fit=%2, y=%3
}
