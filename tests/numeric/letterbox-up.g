# a small picture enlarged into a wider frame
# size image 23 17
graph letterbox(%1 image: u8[?,?,3]) {
  %2 = fit %1 {target=[64,64], frame=[64,96]} : f64[10]
  %3 = warp %1, %2 {frame=[64,96], fill=114} : u8[1,64,96,3]
  return fit=%2, y=%3
}
