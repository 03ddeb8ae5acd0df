# A batch norm without a convolution is a scale and a shift.
graph t(%1 x: f32[1,8,6,6]) {
  %3 "m.bn.weight" = param : f32[8]
  %4 "m.bn.bias" = param : f32[8]
  %5 "m.bn.running_mean" = param : f32[8]
  %6 "m.bn.running_var" = param : f32[8]
  %8 "m.bn" = batch_norm %1, %3, %4, %5, %6 {eps=0.001}
  return y=%8
}
