# The bias of the convolution goes through the batch norm too.
graph t(%1 x: f32[1,4,6,6]) {
  %2 "m.conv.weight" = param : f32[8,4,3,3]
  %3 "m.bn.weight" = param : f32[8]
  %4 "m.bn.bias" = param : f32[8]
  %5 "m.bn.running_mean" = param : f32[8]
  %6 "m.bn.running_var" = param : f32[8]
  %9 "m.conv.bias" = param : f32[8]
  %7 "m.conv" = conv2d %1, %2, %9 {pad=[1,1]}
  %8 "m.bn" = batch_norm %7, %3, %4, %5, %6 {eps=0.001}
  return y=%8
}
