/* test_infer.c -- every op's type rule: what fits, and what is said when it does not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_test.h"

/* args: types, separated by spaces.  want: the type, or what the error has in it. */
typedef struct Row { OpKind op; const char *args, *attrs, *want; } Row;

#define PIC "u8[?,?,3]"
#define NMS "f32[1,8,4] f32[1,8,3] f32[1] f64[1] bool[3] i32[1] i32[1]"

/* Of an attention over 12 tokens in windows of 6. */
#define QKV "f32[1,8,3,4] f32[1,8,3,4] f32[1,8,3,4]"
#define BODY "{heads=2, windows=2, body=graph body(%1 s: f32[6,6], %2 i: i32[6,1], %3 j: i32[1,6], %4 h: i32[1,1]"

static const Row good[] = {
	{ OP_copy,    "bool[2]", "", "bool[2]" },
	{ OP_cast,    "f32[2,3]", "", "f16[2,3]" },
	{ OP_neg,     "i32[2]", "", "i32[2]" },
	{ OP_abs,     "f16[2]", "", "f16[2]" },
	{ OP_exp,     "f32", "", "f32" },
	{ OP_log,     "f32[0]", "", "f32[0]" },
	{ OP_sqrt,    "f64[2]", "", "f64[2]" },
	{ OP_sin,     "f32[2]", "", "f32[2]" },
	{ OP_cos,     "f32[2]", "", "f32[2]" },
	{ OP_tanh,    "bf16[2]", "", "bf16[2]" },
	{ OP_sigmoid, "f32[2]", "", "f32[2]" },
	{ OP_floor,   "f32[2]", "", "f32[2]" },
	{ OP_ceil,    "f32[2]", "", "f32[2]" },
	{ OP_round,   "f32[2]", "", "f32[2]" },
	{ OP_not,     "bool[2]", "", "bool[2]" },
	{ OP_add,     "f32[2,1,4] f32[1,3,1]", "", "f32[2,3,4]" },
	{ OP_sub,     "i32[2] i32[2]", "", "i32[2]" },
	{ OP_mul,     "f32[0,3] f32[1,3]", "", "f32[0,3]" },
	{ OP_div,     "u8[2] u8[1]", "", "u8[2]" },
	{ OP_mod,     "f32[2] f32[2]", "", "f32[2]" },
	{ OP_pow,     "f32[2] f32[1]", "", "f32[2]" },
	{ OP_min,     "i64[2] i64[2]", "", "i64[2]" },
	{ OP_max,     "f16[2] f16[2]", "", "f16[2]" },
	{ OP_eq,      "bool[2] bool[2]", "", "bool[2]" },
	{ OP_ne,      "f32[2,1] f32[1,2]", "", "bool[2,2]" },
	{ OP_lt,      "i32[2] i32[2]", "", "bool[2]" },
	{ OP_le,      "f32[2] f32[2]", "", "bool[2]" },
	{ OP_and,     "bool[2] bool[1]", "", "bool[2]" },
	{ OP_or,      "bool[2] bool[2]", "", "bool[2]" },
	{ OP_select,  "bool[2,1] f32[1,3] f32[1,1]", "", "f32[2,3]" },
	{ OP_reshape, "f32[2,6]", "{shape=[3,4]}", "f32[3,4]" },
	{ OP_reshape, "f32[1,1]", "{shape=[]}", "f32" },
	{ OP_permute, "f32[2,3,4]", "{axes=[2,0,1]}", "f32[4,2,3]" },
	{ OP_slice,   "f32[2,8]", "{axis=1, begin=1, end=8, step=3}", "f32[2,3]" },
	{ OP_slice,   "f32[2,8]", "{axis=1}", "f32[2,8]" },
	{ OP_slice,   "f32[2,8]", "{axis=1, begin=8}", "f32[2,0]" },
	{ OP_concat,  "f32[2,3] f32[2,4] f32[2,0]", "{axis=1}", "f32[2,7]" },
	{ OP_broadcast, "f32[2,1]", "{shape=[2,5]}", "f32[2,5]" },
	{ OP_resize,  "f32[1,2,3,4]", "{factor=2}", "f32[1,2,6,8]" },
	{ OP_resize,  "f32[1,2,3,4]", "{factor=2, layout=\"nhwc\"}", "f32[1,4,6,4]" },
	{ OP_iota,    "", "{axis=1, shape=[2,3]}", "i32[2,3]" },
	{ OP_gather,  "f32[2,8,4] i32[2,5]", "{axis=1, fill=-1.0}", "f32[2,5,4]" },
	{ OP_gather,  "f32[8] i32[5]", "{axis=0}", "f32[5]" },
	{ OP_sum,     "f32[2,3,4]", "{axes=[0,2]}", "f32[1,3,1]" },
	{ OP_mean,    "f32[2,3]", "{axes=[]}", "f32[2,3]" },
	{ OP_amax,    "i32[2,3]", "{axes=[1]}", "i32[2,1]" },
	{ OP_pick,    "f16[4,9] i32[1,1] i32[5,1]", "", "f16[5,1]" },
	{ OP_pick,    "bool[4,9] i32[3,1] i32[1,5]", "", "bool[3,5]" },
	{ OP_argmax,  "f32[2,3]", "{axis=0}", "i32[1,3]" },
	{ OP_softmax, "f16[2,3]", "{axis=1}", "f16[2,3]" },
	{ OP_expect,  "f32[2,4] f32[1,4]", "{axis=1}", "f32[2,1]" },
	{ OP_conv2d,  "f32[1,3,9,8] f32[4,3,3,3]", "{stride=[2,2], pad=[1,1]}", "f32[1,4,5,4]" },
	{ OP_conv2d,  "f32[2,9,8,6] f32[4,3,1,5] f32[4]", "{groups=2, layout=\"nhwc\", pad=[0,2]}", "f32[2,9,8,4]" },
	{ OP_conv2d,  "f16[1,4,9,9] f16[8,4,3,3] f32[8]", "{dilation=[2,1]}", "f16[1,8,5,7]" },
	{ OP_conv2d,  "f32[1,4,9,9] f32[2,1,1,4,8] f32[13]", "{pack=8}", "f32[1,13,9,9]" },
	{ OP_conv2d,  "f32[1,4,9,9] f32[2,1,1,4,8]", "{pack=8}", "f32[1,16,9,9]" },
	{ OP_matmul,  "f32[5,2,3] f32[5,3,4]", "", "f32[5,2,4]" },
	{ OP_matmul,  "f32[3,2] f32[4,3]", "{ta=1, tb=1}", "f32[2,4]" },
	{ OP_attention, "f32[1,8,3,4] f32[1,8,3,4] f32[1,4,3,4]", "{heads=2, windows=2}", "f32[1,4,3,4]" },
	{ OP_attention, QKV, BODY ") { %5 = le %3, %2 return mask=%5 }}", "f32[1,8,3,4]" },
	{ OP_attention, QKV, BODY ") { %5 = le %3, %3 return mask=%5, score=%1 }}", "f32[1,8,3,4]" },
	{ OP_attention, QKV " f32[2,11]", BODY ", %5 bias: f32[2,11]) { %6 = sub %3, %2 %7 = pick %5, %4, %6 return score=%7 }}", "f32[1,8,3,4]" },
	{ OP_attention, QKV " i32[9]", BODY ") { %5 = le %3, %2 return mask=%5 }, tiles=[2,4]}", "f32[1,8,3,4]" },
	{ OP_pool,    "f32[1,2,8,7]", "{kernel=[2,2], kind=\"max\"}", "f32[1,2,4,3]" },
	{ OP_pool,    "f32[1,8,7,2]", "{kernel=[3,3], kind=\"mean\", layout=\"nhwc\", pad=[1,1], stride=[1,1]}", "f32[1,8,7,2]" },
	{ OP_batch_norm, "f32[1,2,3,3] f32[2] f32[2] f32[2] f32[2]", "{eps=0.001}", "f32[1,2,3,3]" },
	{ OP_topk,    "f32[2,9]", "{k=3}", "i32[2,3]" },
	{ OP_fit,     PIC, "{frame=[64,96], target=[96,96]}", "f64[10]" },
	{ OP_fit,     "u8[5,6,3]", "{frame=[96,96], scaleup=0, target=[96,96]}", "f64[10]" },
	{ OP_warp,    PIC " f64[10]", "{frame=[64,96]}", "u8[1,64,96,3]" },
	{ OP_nms,     NMS, "{k=5}", "i32[1,5]" },
	{ OP_nms,     "f16[1,0,4] f16[1,0,3] f32[1] f64[1] bool[3] i32[1] i32[1]", "{k=5}", "i32[1,5]" },
	{ OP_store,   "f32[2] f32[2]", "", "f32[2]" },
};

static const Row bad[] = {
	{ OP_copy,    "f32[2] f32[2]", "", "takes at most 1" },
	{ OP_copy,    "", "", "takes 1 arguments, but has 0" },
	{ OP_copy,    PIC, "", "not known before it runs" },
	{ OP_copy,    "f32[2]", "{axis=0}", "takes no attribute 'axis'" },
	{ OP_cast,    "", "", "takes 1 arguments" },
	{ OP_neg,     "bool[2]", "", "x is bool, but must be a number" },
	{ OP_abs,     "bool[2]", "", "x is bool" },
	{ OP_exp,     "i32[2]", "", "x is i32, but must be a real number" },
	{ OP_log,     "i32[2]", "", "x is i32" },
	{ OP_sqrt,    "u8[2]", "", "x is u8" },
	{ OP_sin,     "i64[2]", "", "x is i64" },
	{ OP_cos,     "i32[2]", "", "x is i32" },
	{ OP_tanh,    "i32[2]", "", "x is i32" },
	{ OP_sigmoid, "bool[2]", "", "x is bool" },
	{ OP_floor,   "i32[2]", "", "x is i32" },
	{ OP_ceil,    "i32[2]", "", "x is i32" },
	{ OP_round,   "i32[2]", "", "x is i32" },
	{ OP_not,     "f32[2]", "", "x is f32, but must be bool" },
	{ OP_add,     "f32[2] f32[3]", "", "dim 0 of b is 3, but of a it is 2" },
	{ OP_sub,     "f32[2] f16[2]", "", "a is f32, but b is f16" },
	{ OP_mul,     "f32[2] f32[2,1]", "", "b has 2 dims (f32[2,1]), but a has 1" },
	{ OP_div,     "bool[2] bool[2]", "", "a is bool" },
	{ OP_mod,     "f32[2]", "", "takes 2 arguments, but has 1" },
	{ OP_pow,     "bool[2] bool[2]", "", "a is bool" },
	{ OP_min,     "f32[2] i32[2]", "", "b is i32" },
	{ OP_max,     "bool[2] bool[2]", "", "a is bool" },
	{ OP_eq,      "f32[2] i32[2]", "", "b is i32" },
	{ OP_ne,      "f32[2] f32[3]", "", "dim 0" },
	{ OP_lt,      "bool[2] bool[2]", "", "a is bool" },
	{ OP_le,      "f32[2] f64[2]", "", "b is f64" },
	{ OP_and,     "f32[2] f32[2]", "", "a is f32, but must be bool" },
	{ OP_or,      "i32[2] i32[2]", "", "a is i32" },
	{ OP_select,  "f32[2] f32[2] f32[2]", "", "c is f32, but must be bool" },
	{ OP_select,  "bool[2] f32[2] i32[2]", "", "a is f32, but b is i32" },
	{ OP_select,  "bool[2] f32[3] f32[3]", "", "dim 0 of a is 3, but of c it is 2" },
	{ OP_reshape, "f32[2,6]", "{shape=[5,2]}", "has 10 elements, but x has 12" },
	{ OP_reshape, "f32[2,6]", "", "needs the attribute 'shape'" },
	{ OP_reshape, "f32[2,6]", "{shape=[2147483647,2147483647,2147483647,2147483647]}", "too large" },
	{ OP_reshape, "f32[2,6]", "{shape=[1,1,1,1,1,1,12]}", "at most 6" },
	{ OP_reshape, "f32[2,6]", "{shape=[-3,-4]}", "a dim of -3" },
	{ OP_permute, "f32[2,3]", "{axes=[0,0]}", "names dim 0 twice" },
	{ OP_permute, "f32[2,3]", "{axes=[0]}", "names 1 dims, but x has 2" },
	{ OP_permute, "f32[2,3]", "{axes=[0,2]}", "axes has 2" },
	{ OP_slice,   "f32[2,8]", "{axis=1, begin=2, end=9}", "end is 9, but must be 2 .. 8" },
	{ OP_slice,   "f32[2,8]", "{axis=2}", "axis is 2, but x has 2 dims" },
	{ OP_slice,   "f32[2,8]", "{axis=1, step=0}", "step is 0" },
	{ OP_concat,  "f32[2,3] f32[3,3]", "{axis=1}", "dim 0 of argument 2 is 3" },
	{ OP_concat,  "f32[2,3] f16[2,3]", "{axis=1}", "argument 2 is f16[2,3]" },
	{ OP_concat,  "f32[2,2000000000] f32[2,2000000000]", "{axis=1}", "out of range" },
	{ OP_broadcast, "f32[2,3]", "{shape=[2,6]}", "only a 1 can be stretched to 6" },
	{ OP_broadcast, "f32[2]", "{shape=[2,6]}", "shape has 2 dims, but x has 1" },
	{ OP_resize,  "f32[1,2,3]", "{factor=2}", "x has 3 dims" },
	{ OP_resize,  "f32[1,2,3,4]", "{factor=0}", "factor is 0" },
	{ OP_resize,  "f32[1,2,3,4]", "{factor=2, layout=\"chwn\"}", "layout is \"chwn\"" },
	{ OP_resize,  "f32[1,2,70000,4]", "{factor=65536}", "out of range" },
	{ OP_iota,    "", "{axis=2, shape=[2,3]}", "axis is 2" },
	{ OP_gather,  "f32[2,8,4] i32[2,5]", "{axis=0}", "index has 2 dims" },
	{ OP_gather,  "f32[2,8,4] f32[2,5]", "{axis=1}", "must be i32" },
	{ OP_gather,  "f32[2,8,4] i32[3,5]", "{axis=1}", "dim 0 of the index is 3" },
	{ OP_pick,    "f32[4,9] i32[1,1]", "", "x has 2 dims (f32[4,9]), but 1 indices are given" },
	{ OP_pick,    "f32[4,9] i32[1,1] f32[5,1]", "", "index 2 is f32, but must be i32" },
	{ OP_pick,    "f32[4,9] i32[1,1] i32[5]", "", "index 2 has 1 dims (i32[5]), but the first has 2" },
	{ OP_pick,    "f32[4,9] i32[3,1] i32[5,1]", "", "dim 0 of index 2 is 5, but 3 before it" },
	{ OP_pick,    "f32[4,0] i32[1] i32[1]", "", "dim 1 of x is 0" },
	{ OP_sum,     "bool[2]", "{axes=[0]}", "x is bool" },
	{ OP_sum,     "f32[2]", "{axes=[0,0]}", "twice" },
	{ OP_mean,    "i32[2]", "{axes=[0]}", "x is i32" },
	{ OP_mean,    "f32[0]", "{axes=[0]}", "nothing to take" },
	{ OP_amax,    "f32[0,2]", "{axes=[0]}", "nothing to take" },
	{ OP_argmax,  "f32[2]", "{axis=-1}", "axis is -1" },
	{ OP_softmax, "i32[2]", "{axis=0}", "x is i32" },
	{ OP_expect,  "f32[2,4] f32[4,1]", "{axis=1}", "w must be like x along axis 1" },
	{ OP_conv2d,  "f32[1,4,9,8] f32[4,3,3,3]", "", "w takes 3 input channels, but x has 4" },
	{ OP_conv2d,  "f32[1,4,9,8] f32[4,3,3,3]", "{groups=2}", "in each group, but x has 4 in 2 groups" },
	{ OP_conv2d,  "f32[1,4,9,8] f32[3,2,3,3]", "{groups=2}", "do not divide into 2 groups" },
	{ OP_conv2d,  "f32[1,4,2,8] f32[4,4,3,3]", "", "does not fit into 2" },
	{ OP_conv2d,  "f32[1,4,9,8] f32[4,4,3,3] f32[5]", "", "w gives 4 channels, but b has 5" },
	{ OP_conv2d,  "f32[1,4,9,8] f16[4,4,3,3]", "", "x is f32, but w is f16" },
	{ OP_conv2d,  "f64[1,4,9,8] f64[4,4,3,3]", "", "x is f64" },
	{ OP_conv2d,  "f32[1,4,9,8] f32[4,4,3,3]", "{stride=[2]}", "stride takes two numbers" },
	{ OP_conv2d,  "f32[1,4,9,8] f32[4,4,3,3]", "{stride=[0,1]}", "stride is 0" },
	{ OP_conv2d,  "f32[1,4,9,8] f32[4,4,3,3]", "{pad=[9223372036854775807,1]}", "pad is 9223372036854775807" },
	{ OP_conv2d,  "f32[1,4,9,9] f32[2,1,1,4,8] f32[17]", "{pack=8}", "w has 2 packs of 8 channels, but b has 17" },
	{ OP_conv2d,  "f32[1,4,9,9] f32[2,1,1,4,8]", "{pack=4}", "the last dim of w is 8" },
	{ OP_conv2d,  "f32[1,4,9,9] f32[2,4,0,1]", "", "no taps" },
	{ OP_matmul,  "f32[2,3] f32[2,4]", "", "a has 3 columns, but b has 2 rows" },
	{ OP_matmul,  "f32[2] f32[2]", "", "at least 2" },
	{ OP_matmul,  "f32[5,2,3] f32[6,3,4]", "", "dim 0 of a is 5" },
	{ OP_attention, "f32[1,8,3,3] f32[1,8,3,3] f32[1,8,3,3]", "{heads=2, windows=2}", "9 tokens (3 rows of 3) do not divide into 2" },
	{ OP_attention, "f32[1,8,3,4] f32[1,8,3,4] f32[1,8,3,4]", "{heads=3}", "8 channels do not divide into 3 heads" },
	{ OP_attention, "f32[1,8,3,4] f32[1,4,3,4] f32[1,8,3,4]", "{heads=1}", "but k is" },
	{ OP_attention, "f32[1,8,3,4] f32[1,8,3,4] f32[1,8,4,3]", "{heads=1}", "but v is" },
	{ OP_attention, QKV " f32[3]", "{heads=2}", "takes q, k and v, and more for a body only" },
	{ OP_attention, QKV, "{heads=2, body=graph b(%1 s: f32[6,6]) { return score=%1 }}", "has 1 inputs, but needs s, i, j, h" },
	{ OP_attention, QKV, BODY ", %5 c: f32[3]) { return score=%1 }}", "has 5 inputs, but needs s, i, j, h and 0 more" },
	{ OP_attention, QKV " f32[4]", BODY ", %5 c: f32[3]) { return score=%1 }}", "c of the body is f32[3], but must be f32[4]" },
	{ OP_attention, QKV, "{heads=2, body=graph b(%1 s: f32[6,6], %2 i: i32[6,1], %3 j: i32[1,6], %4 h: i32[1,1]) { return score=%1 }}",
	  "s of the body is f32[6,6], but must be f32[12,12]" },
	{ OP_attention, QKV, BODY ") { }}", "returns mask, score, or both" },
	{ OP_attention, QKV, BODY ") { return mask=%1 }}", "mask is f32, but must be bool" },
	{ OP_attention, QKV, BODY ") { return score=%2 }}", "score is i32, but must be f32" },
	{ OP_attention, QKV, BODY ") { return score=%1, more=%1 }}", "and nothing else" },
	{ OP_attention, QKV, BODY ") { %5 = softmax %1 {axis=0} return score=%5 }}", "softmax is neither pointwise nor pick" },
	{ OP_attention, QKV, BODY ") { %5 = param : f32[1,1] return score=%5 }}", "param is neither pointwise nor pick" },
	{ OP_attention, QKV, BODY ") { %5 = pick %1, %2, %3 return score=%5 }}", "pick reads one capture" },
	{ OP_attention, QKV " f32[6,6]", BODY ", %5 c: f32[6,6]) { %6 = add %1, %5 return score=%6 }}", "pick reads one capture, and nothing else does" },
	{ OP_attention, QKV, BODY ") { %5 = attention %1, %1, %1 {heads=1, body=graph b() {}} return score=%5 }}", "a body in a body" },
	{ OP_attention, QKV, BODY ") { %300 = copy %1 return score=%300 }}", "300 is out of range" },
	{ OP_attention, QKV " i32[9]", BODY ") { return score=%1 }, tiles=[2,3]}", "the second even" },
	{ OP_attention, QKV " f32[9]", BODY ") { return score=%1 }, tiles=[2,4]}", "must list tiles as i32[..]" },
	{ OP_pool,    "f32[1,2,8,7]", "{kernel=[2,2], kind=\"min\"}", "kind is \"min\"" },
	{ OP_pool,    "f32[1,2,8,7]", "{kernel=[2,2], kind=\"max\", pad=[2,2]}", "at most half" },
	{ OP_batch_norm, "f32[1,2,3,3] f32[2] f32[3] f32[2] f32[2]", "{eps=0.001}", "bias is f32[3], but must be f32[2]" },
	{ OP_batch_norm, "f32[1,2,3,3] f32[2] f32[2] f32[2] f32[2]", "", "needs the attribute 'eps'" },
	{ OP_topk,    "f32[2,9]", "{k=10}", "k is 10" },
	{ OP_fit,     "f32[4,4,3]", "{frame=[4,4], target=[4,4]}", "the picture is f32[4,4,3]" },
	{ OP_fit,     PIC, "{frame=[4,4]}", "needs the attribute 'target'" },
	{ OP_warp,    PIC " f64[9]", "{frame=[64,96]}", "fit is f64[9], but must be f64[10]" },
	{ OP_warp,    PIC " f64[10]", "{frame=[2147483647,2147483647]}", "too large" },
	{ OP_nms,     "f32[1,8,5] f32[1,8,3] f32[1] f64[1] bool[3] i32[1] i32[1]", "{k=5}", "a box has 4" },
	{ OP_nms,     "f32[1,8,4] f32[1,9,3] f32[1] f64[1] bool[3] i32[1] i32[1]", "{k=5}", "but scores is" },
	{ OP_nms,     "f32[1,8,4] f32[1,8,3] f32[1] f64[1] bool[2] i32[1] i32[1]", "{k=5}", "keep is bool[2], but must be bool[3]" },
	{ OP_nms,     "f32[1,8,4] f32[1,8,3] f32[1] f32[1] bool[3] i32[1] i32[1]", "{k=5}", "iou is f32[1], but must be f64[1]" },
	{ OP_nms,     "f32[1,8,4] f32[1,8,3] f32[1] f64[1] bool[3] i32[1] i32[1]", "", "needs the attribute 'k'" },
	{ OP_store,   "f32[2] f32[3]", "", "what is written to it is f32[3]" },
};

static const char *
text_of(Arena *a, const Row *r, bool typed)
{
	Text t = { .a = a };
	char *args = arena_str(a, r->args), *save = NULL;
	int n = 0;

	text_put(&t, "graph t(%90 pic: " PIC ") {\n");
	for (char *s = strtok_r(args, " ", &save); s; s = strtok_r(NULL, " ", &save))
		if (!strcmp(s, PIC))
			n = 90;
		else
			text_printf(&t, "%%%d = param : %s\n", ++n, s);
	text_printf(&t, "%%99 = %s", op_info[r->op].name);
	if (strstr(r->args, PIC)) {
		text_put(&t, " %90");
		for (int i = 91; i <= n; i++)
			text_printf(&t, ", %%%d", i);
	} else {
		for (int i = 1; i <= n; i++)
			text_printf(&t, "%s%%%d", i > 1 ? ", " : " ", i);
	}
	text_printf(&t, " %s", r->attrs);
	if (typed || r->op == OP_cast)
		text_printf(&t, " : %s", r->op == OP_cast && !typed ? "f16[2]" : r->want);
	text_put(&t, "\nreturn %99\n}\n");
	return text_str(&t);
}

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		Arena *a = arena_new();
		bool declared = good[i].op == OP_cast;
		Graph *g = parse_graph(a, text_of(a, &good[i], declared));
		const char *err;

		assert_string_equal(type_text(a, &graph_node(g, 99)->type), good[i].want);
		if (!graph_verify(g, &err))
			fail_msg("%s: %s", op_info[good[i].op].name, err);
		arena_free(a);
	}
}

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		Arena *a = arena_new();
		GraphModule *m;
		const char *text = text_of(a, &bad[i], false);
		const char *err = parse_error(a, text, strlen(text), NULL, &m);

		if (!err || !strstr(err, bad[i].want))
			fail_msg("%s %s %s: wanted \"%s\", got \"%s\"", op_info[bad[i].op].name, bad[i].args,
			         bad[i].attrs, bad[i].want, err ? err : "no error");
		arena_free(a);
	}
}

/* A new op needs a row in both tables. */
static void
test_all_ops(void **state)
{
	bool g[OP_COUNT] = { 0 }, b[OP_COUNT] = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		g[good[i].op] = true;
	for (size_t i = 0; i < COUNT(bad); i++)
		b[bad[i].op] = true;
	for (int op = OP_none + 1; op < OP_COUNT; op++)
		if (op_info[op].effect != EFFECT_SOURCE && !(g[op] && b[op]))
			fail_msg("%s has no test", op_info[op].name);
}

static void
test_direct(void **state)
{
	Arena *a = arena_new();
	const char *err = "";
	Type t = { .dt = DT_F32, .rank = 7 }, out;
	const Type *arg[] = { &t };

	(void)state;
	assert_false(infer_type(a, OP_copy, arg, 1, NULL, 0, &out, &err));
	assert_string_equal(err, "has no valid type");
	assert_false(infer_type(a, OP_COUNT, NULL, 0, NULL, 0, &out, &err));
	out = (Type){ 0 };
	assert_false(infer_type(a, OP_cast, (const Type *[]){ &(Type){ .dt = DT_F32 } }, 1, NULL, 0, &out, &err));
	assert_string_equal(err, "needs a dtype");

	Attr twice[] = { attr_of_int(A_axis, 0), attr_of_int(A_axis, 0) };

	t.rank = 1;
	assert_false(infer_type(a, OP_softmax, arg, 1, twice, 2, &out, &err));
	assert_string_equal(err, "has the attribute 'axis' twice");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_all_ops), cmocka_unit_test(test_direct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
