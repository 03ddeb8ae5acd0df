# A batch norm after a convolution becomes weights and bias, as arithmetic on the parameters.
graph t(%1 x: f32[1,4,6,6]) {
  %2 "m.conv.weight" = param : f32[8,4,3,3]
  %3 "m.bn.weight" = param : f32[8]
  %4 "m.bn.bias" = param : f32[8]
  %5 "m.bn.running_mean" = param : f32[8]
  %6 "m.bn.running_var" = param : f32[8]
  %7 "m.conv" = conv2d %1, %2 {pad=[1,1]}
  %8 "m.bn" = batch_norm %7, %3, %4, %5, %6 {eps=0.001}
  return y=%8
}
