/* test_eval.c -- the reference evaluator: small cases by hand, the big ops against loops
 * that are plainer still, letterbox and nms against the published implementation's pixels
 * and rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include <jansson.h>

#include "graph_test.h"

static bool seen[OP_COUNT];     /* ops that some test ran */

static void
see(void *cx, const Graph *g, Val v, const Tensor *t)
{
	(void)cx;
	(void)t;
	seen[graph_node(g, v)->op] = true;
}

/* The first output of a graph. */
static Tensor
run(Arena *a, const Graph *g, const Tensor *in)
{
	Tensor out[8];
	const char *err;

	assert_true(g->output.n <= COUNT(out));
	if (!graph_verify(g, &err))
		fail_msg("%s", err);
	if (!eval_graph(a, g, in, out, see, NULL, &err))
		fail_msg("%s", err);
	return out[0];
}

/* ---- by hand ------------------------------------------------------------------------- */

/* %9 of a body.  A few names save writing. */
#define X   "%1 = const {1, 2, 3, 4, 5, 6} : f32[2,3] "
#define XI  "%1 = const {-7, 7, -1, 0} : i32[4] %2 = const {2, -2, 0, 5} : i32[4] "
#define XR  "%1 = const {-7, 7, -0.5, 2.5} : f32[4] %2 = const {2, -2, 0.25, 2.5} : f32[4] "

static const struct { const char *body, *want; } hand[] = {
	{ X "%9 = copy %1", "f32[2,3] {1, 2, 3, 4, 5, 6}" },
	{ XR "%9 = neg %1", "f32[4] {7, -7, 0.5, -2.5}" },
	{ XI "%9 = neg %1", "i32[4] {7, -7, 1, 0}" },
	{ "%1 = const {1, 0} : u8[2] %9 = neg %1", "u8[2] {255, 0}" },
	{ XI "%9 = abs %1", "i32[4] {7, 7, 1, 0}" },
	{ XR "%9 = abs %1", "f32[4] {7, 7, 0.5, 2.5}" },
	{ "%1 = const {0, 1, -inf} : f32[3] %9 = exp %1", "f32[3] {1, 2.7182817, 0}" },
	{ "%1 = const {1, 0} : f32[2] %9 = log %1", "f32[2] {0, -inf}" },
	{ "%1 = const {9, 2} : f64[2] %9 = sqrt %1", "f64[2] {3, 1.4142135623730951}" },
	{ "%1 = const {0, 1} : f32[2] %9 = sin %1", "f32[2] {0, 0.84147096}" },
	{ "%1 = const {0, 1} : f32[2] %9 = cos %1", "f32[2] {1, 0.5403023}" },
	{ "%1 = const {0, -100} : f32[2] %9 = tanh %1", "f32[2] {0, -1}" },
	{ "%1 = const {0, 1000, -1000} : f32[3] %9 = sigmoid %1", "f32[3] {0.5, 1, 0}" },
	{ "%1 = const {1} : f16[1] %9 = sigmoid %1", "f16[1] {0.73095703}" },
	{ XR "%9 = floor %1", "f32[4] {-7, 7, -1, 2}" },
	{ XR "%9 = ceil %1", "f32[4] {-7, 7, -0, 3}" },
	{ "%1 = const {0.5, 1.5, -2.5, 2.4} : f32[4] %9 = round %1", "f32[4] {0, 2, -2, 2}" },
	{ "%1 = const {1, 0} : bool[2] %9 = not %1", "bool[2] {0, 1}" },

	{ X "%2 = const {10, 20} : f32[2,1] %9 = add %1, %2", "f32[2,3] {11, 12, 13, 24, 25, 26}" },
	{ X "%2 = const {10, 20, 30} : f32[1,3] %9 = sub %2, %1", "f32[2,3] {9, 18, 27, 6, 15, 24}" },
	{ "%1 = const {1, 2} : f32[2,1] %2 = const {3, 5} : f32[1,2] %9 = mul %1, %2", "f32[2,2] {3, 5, 6, 10}" },
	{ "%1 = const {200} : u8[1] %2 = const {100} : u8[1] %9 = add %1, %2", "u8[1] {44}" },
	{ "%1 = const {2147483647} : i32[1] %2 = const {1} : i32[1] %9 = add %1, %2", "i32[1] {-2147483648}" },
	{ "%1 = const {9223372036854775807} : i64[1] %2 = const {3} : i64[1] %9 = mul %1, %2", "i64[1] {9223372036854775805}" },
	{ "%1 = const {9007199254740993} : i64[1] %2 = const {1} : i64[1] %9 = sub %1, %2", "i64[1] {9007199254740992}" },
	{ XI "%9 = div %1, %2", "i32[4] {-4, -4, 0, 0}" },
	{ XI "%9 = mod %1, %2", "i32[4] {1, -1, 0, 0}" },
	{ "%1 = const {-9223372036854775808} : i64[1] %2 = const {-1} : i64[1] %9 = div %1, %2", "i64[1] {-9223372036854775808}" },
	{ XR "%9 = div %1, %2", "f32[4] {-3.5, -3.5, -2, 1}" },
	{ XR "%9 = mod %1, %2", "f32[4] {1, -1, 0, 0}" },
	{ "%1 = const {2, -3, 2} : i32[3] %2 = const {10, 3, -1} : i32[3] %9 = pow %1, %2", "i32[3] {1024, -27, 0}" },
	{ "%1 = const {2, 9} : f32[2] %2 = const {-1, 0.5} : f32[2] %9 = pow %1, %2", "f32[2] {0.5, 3}" },
	{ XI "%9 = min %1, %2", "i32[4] {-7, -2, -1, 0}" },
	{ XR "%9 = max %1, %2", "f32[4] {2, 7, 0.25, 2.5}" },
	{ XR "%9 = eq %1, %2", "bool[4] {0, 0, 0, 1}" },
	{ "%1 = const {nan} : f32[1] %9 = ne %1, %1", "bool[1] {1}" },
	{ XI "%9 = lt %1, %2", "bool[4] {1, 0, 1, 1}" },
	{ "%1 = const {1, nan} : f32[2] %9 = le %1, %1", "bool[2] {1, 0}" },
	{ "%1 = const {1, 1, 0, 0} : bool[4] %2 = const {1, 0, 1, 0} : bool[4] %9 = and %1, %2", "bool[4] {1, 0, 0, 0}" },
	{ "%1 = const {1, 1, 0, 0} : bool[4] %2 = const {1, 0, 1, 0} : bool[4] %9 = or %1, %2", "bool[4] {1, 1, 1, 0}" },
	{ X "%2 = const {1, 0} : bool[2,1] %3 = const {-1} : f32[1,1] %9 = select %2, %1, %3", "f32[2,3] {1, 2, 3, -1, -1, -1}" },
	{ "%1 = const {1, 0} : bool[1,2] %2 = const {1, 2} : i64[2,1] %3 = const {8, 9} : i64[1,2] %9 = select %1, %2, %3",
	  "i64[2,2] {1, 9, 2, 9}" },

	{ "%1 = const {-1.9, 300, nan, 2.9} : f32[4] %9 = cast %1 : u8[4]", "u8[4] {0, 255, 0, 2}" },
	{ "%1 = const {-1.9, 1e10, -inf, 2.9} : f32[4] %9 = cast %1 : i32[4]", "i32[4] {-1, 2147483647, -2147483648, 2}" },
	{ "%1 = const {1e30, -1e30} : f64[2] %9 = cast %1 : i64[2]", "i64[2] {9223372036854775807, -9223372036854775808}" },
	{ "%1 = const {257, -1} : i32[2] %9 = cast %1 : u8[2]", "u8[2] {1, 255}" },
	{ "%1 = const {0, -0.5, nan} : f32[3] %9 = cast %1 : bool[3]", "bool[3] {0, 1, 1}" },
	{ "%1 = const {4294967296, 0} : i64[2] %9 = cast %1 : bool[2]", "bool[2] {1, 0}" },
	{ "%1 = const {1, 0} : bool[2] %9 = cast %1 : f32[2]", "f32[2] {1, 0}" },
	{ "%1 = const {16777217} : i32[1] %9 = cast %1 : f32[1]", "f32[1] {16777216}" },
	{ "%1 = const {0.1, 70000} : f32[2] %9 = cast %1 : f16[2]", "f16[2] {0.099975586, inf}" },

	{ X "%9 = reshape %1 {shape=[3,2]}", "f32[3,2] {1, 2, 3, 4, 5, 6}" },
	{ X "%9 = permute %1 {axes=[1,0]}", "f32[3,2] {1, 4, 2, 5, 3, 6}" },
	{ "%1 = const {1, 2, 3, 4, 5, 6, 7, 8} : u8[2,2,2] %9 = permute %1 {axes=[2,0,1]}", "u8[2,2,2] {1, 3, 5, 7, 2, 4, 6, 8}" },
	{ X "%9 = slice %1 {axis=1, begin=0, end=3, step=2}", "f32[2,2] {1, 3, 4, 6}" },
	{ X "%9 = slice %1 {axis=0, begin=1}", "f32[1,3] {4, 5, 6}" },
	{ X "%9 = slice %1 {axis=0, begin=2}", "f32[0,3] {}" },
	{ X "%2 = const {7, 8} : f32[2,1] %9 = concat %1, %2, %1 {axis=1}", "f32[2,7] {1, 2, 3, 7, 1, 2, 3, 4, 5, 6, 8, 4, 5, 6}" },
	{ "%1 = const {1, 2} : f16[2,1] %9 = broadcast %1 {shape=[2,3]}", "f16[2,3] {1, 1, 1, 2, 2, 2}" },
	{ "%1 = const {1, 2, 3, 4} : f32[1,1,2,2] %9 = resize %1 {factor=2}", "f32[1,1,4,4] {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}" },
	{ "%1 = const {1, 2, 3, 4} : f32[1,1,2,2] %9 = resize %1 {factor=2, layout=\"nhwc\"}",
	  "f32[1,2,4,2] {1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}" },
	{ "%9 = iota {axis=1, shape=[2,3]} : f32[2,3]", "f32[2,3] {0, 1, 2, 0, 1, 2}" },
	{ "%9 = iota {axis=0, shape=[2,3]} : i64[2,3]", "i64[2,3] {0, 0, 0, 1, 1, 1}" },
	{ X "%2 = const {1, -1, 0} : i32[3] %9 = gather %1, %2 {axis=0, fill=9}", "f32[3,3] {4, 5, 6, 9, 9, 9, 1, 2, 3}" },
	{ X "%2 = const {0, 1} : i32[2,1] %3 = const {2, -5, 99} : i32[1,3] %9 = pick %1, %2, %3", "f32[2,3] {3, 1, 3, 6, 4, 6}" },
	{ X "%2 = sub %1, %1 %3 = const {0, 1, 5} : f32[1,3] %9 = expect %2, %3 {axis=1}", "f32[2,1] {2, 2}" },
	{ X "%2 = const {2, -5} : i32[2,1] %9 = gather %1, %2 {axis=1}", "f32[2,1] {3, 0}" },

	{ X "%9 = sum %1 {axes=[1]}", "f32[2,1] {6, 15}" },
	{ X "%9 = sum %1 {axes=[0,1]}", "f32[1,1] {21}" },
	{ "%1 = const {2147483647, 1} : i32[2] %9 = sum %1 {axes=[0]}", "i32[1] {-2147483648}" },
	{ "%1 = const {1e8, 1, -1e8} : f32[3] %9 = sum %1 {axes=[0]}", "f32[1] {1}" },
	{ "%1 = const {} : f32[2,0] %9 = sum %1 {axes=[1]}", "f32[2,1] {0, 0}" },
	{ X "%9 = mean %1 {axes=[0]}", "f32[1,3] {2.5, 3.5, 4.5}" },
	{ "%1 = const {-5, -9} : i32[2] %9 = amax %1 {axes=[0]}", "i32[1] {-5}" },
	{ X "%9 = amax %1 {axes=[0,1]}", "f32[1,1] {6}" },
	{ "%1 = const {3, 5, 5, 1} : f32[1,4] %9 = argmax %1 {axis=1}", "i32[1,1] {1}" },
	{ X "%9 = argmax %1 {axis=0}", "i32[1,3] {1, 1, 1}" },
	{ "%1 = const {0, 0, 1000, 1000} : f32[2,2] %9 = softmax %1 {axis=1}", "f32[2,2] {0.5, 0.5, 0.5, 0.5}" },
	{ "%1 = const {1000, 0, 1000, 1000} : f32[2,2] %9 = softmax %1 {axis=0}", "f32[2,2] {0.5, 0, 0.5, 1}" },

	{ "%1 = const {1, 2, 3, 4} : f32[2,2] %2 = const {5, 6, 7, 8} : f32[2,2] %9 = matmul %1, %2", "f32[2,2] {19, 22, 43, 50}" },
	{ "%1 = const {1, 2, 3, 4} : f32[2,2] %2 = const {5, 6, 7, 8} : f32[2,2] %9 = matmul %1, %2 {ta=1}", "f32[2,2] {26, 30, 38, 44}" },
	{ "%1 = const {1, 2, 3, 4} : f32[2,2] %2 = const {5, 6, 7, 8} : f32[2,2] %9 = matmul %1, %2 {tb=1}", "f32[2,2] {17, 23, 39, 53}" },
	{ "%1 = const {1, 2, 3} : f32[3,1,1] %2 = const {5, 6, 7} : f32[3,1,1] %9 = matmul %1, %2", "f32[3,1,1] {5, 12, 21}" },
	{ "%1 = const {1, 2, 3, 4, 5, 6} : f32[1,1,2,3] %9 = pool %1 {kernel=[2,2], kind=\"max\", pad=[1,1], stride=[1,2]}",
	  "f32[1,1,3,2] {1, 3, 4, 6, 4, 6}" },
	{ "%1 = const {1, 2, 3, 4, 5, 6} : f32[1,1,2,3] %9 = pool %1 {kernel=[2,2], kind=\"mean\", pad=[1,1], stride=[1,2]}",
	  "f32[1,1,3,2] {1, 2.5, 2.5, 4, 4, 5.5}" },
	{ "%1 = const {1, 2, 3, 4} : f32[1,2,1,2] %2 = const {2, 4} : f32[2] %3 = const {10, 20} : f32[2] %4 = const {1, 3} : f32[2] "
	  "%5 = const {0.75, 3.75} : f32[2] %9 = batch_norm %1, %2, %3, %4, %5 {eps=0.25}", "f32[1,2,1,2] {10, 12, 20, 22}" },
	{ "%1 = const {3, 5, nan, 5, 1, 9} : f32[1,6] %9 = topk %1 {k=6}", "i32[1,6] {5, 1, 3, 0, 4, 2}" },
	{ "%1 = const {3, 5, 2, 1} : i32[2,2] %9 = topk %1 {k=1}", "i32[2,1] {1, 0}" },
	{ X "%2 = const {6, 5, 4, 3, 2, 1} : f32[2,3] %9 = store %2, %1", "f32[2,3] {1, 2, 3, 4, 5, 6}" },
};

static void
test_hand(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hand); i++) {
		Arena *a = arena_new();
		Tensor t = run(a, parse_graph(a, arena_printf(a, "graph g() { %s return %%9 }", hand[i].body)), NULL);
		const char *is = tensor_text(a, &t);

		if (strcmp(is, hand[i].want))
			fail_msg("%s\nwanted %s\ngot    %s", hand[i].body, hand[i].want, is);
		arena_free(a);
	}
}

static void
test_errors(void **state)
{
	static const struct { const char *text, *error; } row[] = {
		{ "graph g() { %1 = const {1, 2} : f32[2] %2 = const {2} : i32[1] %9 = gather %1, %2 {axis=0} return %9 }",
		  "%9: gather: index 2 is past the last of 2 rows" },
		{ "graph g() { %1 \"w\" = param : f32[2] return %1 }", "%1 w: param: has no values" },
		{ "graph g(%1 x: f32[2]) { return %1 }", "input x has no value" },
		{ "graph g(%1 x: u8[?,?,3] , %2 n: f32[1] = {1}) { %3 = fit %1 {frame=[8,8], target=[8,8]} return %3 }",
		  "input x has no value" },
	};
	Arena *a = arena_new();
	Tensor out[1];
	const char *err;

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		err = "no error";
		assert_false(eval_graph(a, parse_graph(a, row[i].text), NULL, out, NULL, NULL, &err));
		assert_string_equal(err, row[i].error);
	}

	/* wrong inputs */
	Graph *g = parse_graph(a, row[2].text);
	float x[4] = { 0 };
	Tensor in = { type_of(DT_F32, 1, (const int64_t[]){ 3 }), x };

	assert_false(eval_graph(a, g, &in, out, NULL, NULL, &err));
	assert_string_equal(err, "input x is f32[3], but must be f32[2]");
	g = parse_graph(a, row[3].text);

	Tensor two[2] = { { type_of(DT_U8, 3, (const int64_t[]){ 0, 4, 3 }), x } };

	assert_false(eval_graph(a, g, two, out, NULL, NULL, &err));
	assert_string_equal(err, "%3: fit: the picture has no pixels");
	arena_free(a);
}

/* Defaults are used only where no value is given; an input may be an output. */
static void
test_inputs(void **state)
{
	Arena *a = arena_new();
	Graph *g = parse_graph(a, "graph g(%1 x: f32[1] = {2}, %2 y: f32[1] = {3}) { %3 = mul %1, %2 return p=%3, x=%1 }");
	float five = 5;
	Tensor in[2] = { { .type = type_of(DT_F32, 1, (const int64_t[]){ 1 }) }, { type_of(DT_F32, 1, (const int64_t[]){ 1 }), &five } };
	Tensor out[2];
	const char *err;

	(void)state;
	assert_true(eval_graph(a, g, in, out, NULL, NULL, &err));
	assert_true(*(float *)out[0].data == 10 && *(float *)out[1].data == 2);
	assert_true(eval_graph(a, g, NULL, out, NULL, NULL, &err));
	assert_true(*(float *)out[0].data == 6);
	arena_free(a);
}

/* ---- heavy ops against plain loops ------------------------------------------------------- */

static Tensor
random_tensor(Arena *a, Type t, uint32_t *seed)
{
	Tensor x = { t, arena_alloc(a, (size_t)type_bytes(&t) + 1) };

	for (int64_t i = 0; i < type_count(&t); i++)
		dtype_set(t.dt, x.data, (size_t)i, noise(seed));
	return x;
}

static double
at4(const Tensor *t, int64_t n, int64_t c, int64_t h, int64_t w, bool nhwc)
{
	const int64_t *d = t->type.dim;

	return dtype_get(t->type.dt, t->data,
	                 (size_t)(nhwc ? ((n * d[1] + h) * d[2] + w) * d[3] + c : ((n * d[1] + c) * d[2] + h) * d[3] + w));
}

typedef struct ConvCase { int64_t n, c, h, w, o, g, k[2], stride[2], pad[2], dil[2], pack; DType dt; bool nhwc, bias; } ConvCase;

static void
check_conv(const ConvCase *k)
{
	Arena *a = arena_new();
	uint32_t seed = 7;
	int64_t cg = k->c / k->g, xd[4] = { k->n, k->c, k->h, k->w }, wd[4] = { k->o, cg, k->k[0], k->k[1] };
	Tensor w = random_tensor(a, type_of(k->dt, 4, wd), &seed), wp = w;

	if (k->nhwc) {
		xd[1] = k->h;
		xd[2] = k->w;
		xd[3] = k->c;
	}

	Tensor x = random_tensor(a, type_of(k->dt, 4, xd), &seed);
	Tensor b = random_tensor(a, type_of(DT_F32, 1, &k->o), &seed);

	if (k->pack) {
		int64_t pd[5] = { (k->o + k->pack - 1) / k->pack, k->k[0], k->k[1], cg, k->pack };

		wp = (Tensor){ type_of(k->dt, 5, pd), NULL };
		wp.data = arena_alloc(a, (size_t)type_bytes(&wp.type));
		for (int64_t o = 0; o < k->o; o++)
			for (int64_t c = 0; c < cg; c++)
				for (int64_t r = 0; r < k->k[0]; r++)
					for (int64_t s = 0; s < k->k[1]; s++)
						dtype_set(k->dt, wp.data, (size_t)((((o / k->pack * k->k[0] + r) * k->k[1] + s) * cg + c) * k->pack + o % k->pack),
						          at4(&w, o, c, r, s, false));
	}

	Graph *g = graph_new(a, "g");
	const Tensor *arg[] = { &x, &wp, &b };
	Val v[3], y;
	const char *err = "";

	for (int i = 0; i < 3; i++) {
		v[i] = graph_add(g, OP_param, arg[i]->type, NULL, 0);
		graph_node(g, v[i])->data = arg[i]->data;
	}
	y = graph_make(g, OP_conv2d, v, k->bias ? 3 : 2, (const Attr[]){
		attr_of_ints(a, A_stride, k->stride, 2), attr_of_ints(a, A_pad, k->pad, 2),
		attr_of_ints(a, A_dilation, k->dil, 2), attr_of_int(A_groups, k->g),
		attr_of_str(A_layout, k->nhwc ? "nhwc" : "nchw"), attr_of_int(A_pack, k->pack) }, 6, &err);
	if (!y)
		fail_msg("%s", err);
	vec_push(a, &g->output, ((Output){ "y", y }));

	Tensor t = run(a, g, NULL);
	const int64_t *d = t.type.dim;
	int64_t p = d[k->nhwc ? 1 : 2], q = d[k->nhwc ? 2 : 3];

	for (int64_t n = 0; n < k->n; n++)
	for (int64_t o = 0; o < k->o; o++)
	for (int64_t i = 0; i < p; i++)
	for (int64_t j = 0; j < q; j++) {
		double sum = k->bias ? ((float *)b.data)[o] : 0;

		for (int64_t c = 0; c < cg; c++)
		for (int64_t r = 0; r < k->k[0]; r++)
		for (int64_t s = 0; s < k->k[1]; s++) {
			int64_t h = i * k->stride[0] - k->pad[0] + r * k->dil[0];
			int64_t ww = j * k->stride[1] - k->pad[1] + s * k->dil[1];

			if (h >= 0 && h < k->h && ww >= 0 && ww < k->w)
				sum += at4(&x, n, o / (k->o / k->g) * cg + c, h, ww, k->nhwc) * at4(&w, o, c, r, s, false);
		}

		double is = at4(&t, n, o, i, j, k->nhwc);
		double tolerance = k->dt == DT_F32 ? 1e-6 : k->dt == DT_F16 ? 1e-3 : 1e-2;

		if (!(fabs(is - sum) <= tolerance * (1 + fabs(sum))))
			fail_msg("conv case c=%d g=%d k=%d at %d %d %d %d: %g, not %g", (int)k->c, (int)k->g, (int)k->k[0],
			         (int)n, (int)o, (int)i, (int)j, is, sum);
	}
	arena_free(a);
}

static void
test_conv(void **state)
{
	static const ConvCase row[] = {
		{ 1, 3, 9, 8, 5, 1, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1 }, 0, DT_F32, false, true },
		{ 2, 3, 9, 8, 5, 1, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1 }, 0, DT_F32, true, true },
		{ 1, 4, 7, 11, 6, 2, { 3, 5 }, { 1, 3 }, { 1, 2 }, { 1, 1 }, 0, DT_F32, false, false },
		{ 1, 4, 7, 11, 6, 2, { 3, 5 }, { 1, 3 }, { 1, 2 }, { 1, 1 }, 4, DT_F32, true, true },
		{ 2, 5, 6, 7, 5, 5, { 5, 5 }, { 1, 1 }, { 2, 2 }, { 1, 1 }, 0, DT_F32, false, true },
		{ 2, 5, 6, 7, 5, 5, { 5, 5 }, { 1, 1 }, { 2, 2 }, { 1, 1 }, 8, DT_F32, true, true },
		{ 1, 2, 9, 9, 3, 1, { 3, 3 }, { 1, 2 }, { 0, 3 }, { 3, 2 }, 0, DT_F32, false, true },
		{ 1, 1, 2, 3, 2, 1, { 1, 1 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, 0, DT_F32, false, true },
		{ 2, 17, 5, 6, 19, 1, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 1, 1 }, 16, DT_F32, true, true },
		{ 1, 2, 1, 1500, 2, 1, { 1, 1 }, { 1, 1 }, { 0, 0 }, { 1, 1 }, 0, DT_F32, false, false },
		{ 1, 2, 2, 1500, 2, 1, { 1, 3 }, { 1, 1 }, { 0, 1 }, { 1, 1 }, 0, DT_F32, false, false },
		{ 1, 4, 5, 5, 4, 1, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, 0, DT_F16, true, true },
		{ 1, 4, 5, 5, 4, 1, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, 8, DT_BF16, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++)
		check_conv(&row[i]);
}

/* 6 tokens a window on rows of 4: each window is a row and a half. */
static void
check_attention(bool nhwc, const char *scale)
{
	enum { N = 2, C = 8, H = 3, W = 4, HEADS = 2, WINDOWS = 2, HW = H * W, RUN = HW / WINDOWS, D = C / HEADS };
	Arena *a = arena_new();
	uint32_t seed = 3;
	Graph *g = parse_graph(a, arena_printf(a,
		"graph g(%%1 q: %s, %%2 k: %s, %%3 v: %s) { %%4 = attention %%1, %%2, %%3 {heads=2, layout=\"%s\", %s windows=2} return %%4 }",
		nhwc ? "f32[2,3,4,8]" : "f32[2,8,3,4]", nhwc ? "f32[2,3,4,8]" : "f32[2,8,3,4]",
		nhwc ? "f32[2,3,4,8]" : "f32[2,8,3,4]", nhwc ? "nhwc" : "nchw", scale));
	Tensor in[3];
	double s = *scale ? 2 : 1 / sqrt((double)D);

	for (int i = 0; i < 3; i++)
		in[i] = random_tensor(a, graph_node(g, (Val)i + 1)->type, &seed);

	Tensor out = run(a, g, in);

	for (int n = 0; n < N; n++)
	for (int t = 0; t < HW; t++)
	for (int c = 0; c < C; c++) {
		int first = t / RUN * RUN, head = c / D;
		double sum = 0, x = 0;

		for (int u = first; u < first + RUN; u++) {
			double dot = 0;

			for (int j = head * D; j < head * D + D; j++)
				dot += at4(&in[0], n, j, t / W, t % W, nhwc) * at4(&in[1], n, j, u / W, u % W, nhwc);
			sum += exp(dot * s);
			x += exp(dot * s) * at4(&in[2], n, c, u / W, u % W, nhwc);
		}
		assert_true(fabs(at4(&out, n, c, t / W, t % W, nhwc) - x / sum) < 1e-6);
	}
	arena_free(a);
}

static void
test_attention(void **state)
{
	(void)state;
	check_attention(false, "");
	check_attention(true, "");
	check_attention(false, "scale=2.0,");
}

/* score = s * temperature[h] + bias[h, j - i + RUN - 1], mask = j <= i and (j + h) % 3 != 0: with h = 0,
 * token 0 sees nothing.  Against the formula, in both layouts. */
static void
check_body(bool nhwc)
{
	enum { N = 2, C = 8, H = 3, W = 4, HEADS = 2, WINDOWS = 2, HW = H * W, RUN = HW / WINDOWS, D = C / HEADS };
	Arena *a = arena_new();
	uint32_t seed = 5;
	const char *t = nhwc ? "f32[2,3,4,8]" : "f32[2,8,3,4]";
	Graph *g = parse_graph(a, arena_printf(a,
		"graph g(%%1 q: %s, %%2 k: %s, %%3 v: %s, %%4 bias: f32[2,11], %%5 temperature: f32[2]) {\n"
		"%%6 = attention %%1, %%2, %%3, %%4, %%5 {heads=2, layout=\"%s\", windows=2, body=graph body("
		"%%1 s: f32[6,6], %%2 i: i32[6,1], %%3 j: i32[1,6], %%4 h: i32[1,1], %%5 bias: f32[2,11], %%6 temperature: f32[2]) {\n"
		"%%7 = pick %%6, %%4  %%8 = mul %%1, %%7  %%9 = sub %%3, %%2  %%10 = const {5} : i32[1,1]  %%11 = add %%9, %%10\n"
		"%%12 = pick %%5, %%4, %%11  %%13 = add %%8, %%12\n"
		"%%14 = le %%3, %%2  %%15 = add %%3, %%4  %%16 = const {3} : i32[1,1]  %%17 = mod %%15, %%16  %%18 = const {0} : i32[1,1]\n"
		"%%19 = ne %%17, %%18  %%20 = and %%14, %%19  return mask=%%20, score=%%13 }}\nreturn %%6 }", t, t, t, nhwc ? "nhwc" : "nchw"));
	Tensor in[5];
	const char *why;

	for (int i = 0; i < 5; i++)
		in[i] = random_tensor(a, graph_node(g, (Val)i + 1)->type, &seed);
	if (!graph_verify(g, &why))
		fail_msg("%s", why);

	Tensor out = run(a, g, in);
	const float *bias = in[3].data, *temperature = in[4].data;

	for (int n = 0; n < N; n++)
	for (int i = 0; i < HW; i++)
	for (int c = 0; c < C; c++) {
		int first = i / RUN * RUN, h = c / D;
		double sum = 0, x = 0;

		for (int j = first; j < first + RUN; j++) {
			double s = 0;

			for (int k = h * D; k < h * D + D; k++)
				s += at4(&in[0], n, k, i / W, i % W, nhwc) * at4(&in[1], n, k, j / W, j % W, nhwc);
			s = s / sqrt((double)D) * temperature[h] + bias[h * 11 + j - i + 5];
			if (j > i || (j + h) % 3 == 0)
				continue;
			sum += exp(s);
			x += exp(s) * at4(&in[2], n, c, j / W, j % W, nhwc);
		}
		assert_true(fabs(at4(&out, n, c, i / W, i % W, nhwc) - (sum ? x / sum : 0)) < 1e-6);
	}
	arena_free(a);
}

static void
test_body(void **state)
{
	(void)state;
	check_body(false);
	check_body(true);
}

/* ---- fit and warp ----------------------------------------------------------------------------- */

static Graph *
letterbox_graph(Arena *a, const int64_t target[2], const int64_t frame[2], bool scaleup)
{
	return parse_graph(a, arena_printf(a,
		"graph g(%%1 x: u8[?,?,3]) { %%2 = fit %%1 {frame=[%d,%d], scaleup=%d, target=[%d,%d]} "
		"%%3 = warp %%1, %%2 {frame=[%d,%d]} return y=%%3, fit=%%2 }", (int)frame[0], (int)frame[1], scaleup,
		(int)target[0], (int)target[1], (int)frame[0], (int)frame[1]));
}

static int64_t
num(const json_t *o, const char *key)
{
	json_t *x = json_object_get(o, key);

	assert_non_null(x);
	return json_is_boolean(x) ? json_is_true(x) : json_integer_value(x);
}

static void
test_letterbox(void **state)
{
	Arena *a = arena_new();
	json_error_t je;
	json_t *cases = json_load_file(test_path(a, "letterbox/cases.json"), 0, &je), *c;
	size_t i, ran = 0;

	(void)state;
	assert_non_null(cases);
	json_array_foreach(cases, i, c) {
		Arena *b = arena_new();
		const char *name = json_string_value(json_object_get(c, "name")), *err;
		int64_t h = num(c, "height"), w = num(c, "width");
		int64_t target[2] = { num(c, "target_h"), num(c, "target_w") }, frame[2] = { num(c, "net_h"), num(c, "net_w") };
		double fit[FIT_COUNT];
		size_t len;

		/* the numbers of all cases; the pixels of those whose picture is here */
		fit_numbers(h, w, target, frame, num(c, "scaleup"), fit);
		assert_true(fit[FIT_R] == json_number_value(json_object_get(c, "r")));
		assert_int_equal((int64_t)fit[FIT_W], num(c, "resized_w"));
		assert_int_equal((int64_t)fit[FIT_H], num(c, "resized_h"));
		assert_int_equal((int64_t)fit[FIT_LEFT], num(c, "left"));
		assert_int_equal((int64_t)fit[FIT_TOP], num(c, "top"));

		char *px = file_read(b, test_path(b, arena_printf(b, "letterbox/%s.rgb", name)), &len, &err);

		if (px) {
			Tensor in = { type_of(DT_U8, 3, (const int64_t[]){ h, w, 3 }), px };
			char hex[33];

			assert_int_equal(len, h * w * 3);

			Tensor out = run(b, letterbox_graph(b, target, frame, num(c, "scaleup")), &in);

			hash_hex(hex, out.data, (size_t)type_bytes(&out.type));
			if (strcmp(hex, json_string_value(json_object_get(c, "out_hash"))))
				fail_msg("%s: other pixels", name);
			ran++;
		}
		arena_free(b);
	}
	assert_int_equal(ran, 6);
	json_decref(cases);
	arena_free(a);
}

/* An exact half is the mean of each four, rounded up at a half; an equal size is a copy. */
static void
test_half(void **state)
{
	enum { H = 12, W = 20 };
	Arena *a = arena_new();
	uint32_t seed = 1;
	uint8_t px[H * W * 3];
	Tensor in = { type_of(DT_U8, 3, (const int64_t[]){ H, W, 3 }), px }, out;

	(void)state;
	for (size_t i = 0; i < sizeof(px); i++)
		px[i] = (uint8_t)(127.5 + 127.5 * noise(&seed));

	const int64_t half[2] = { H / 2, W / 2 }, same[2] = { H, W }, wide[2] = { H, W + 5 };

	out = run(a, letterbox_graph(a, half, half, true), &in);
	for (int y = 0; y < H / 2; y++)
		for (int x = 0; x < W / 2; x++)
			for (int c = 0; c < 3; c++) {
				const uint8_t *p = &px[(2 * y * W + 2 * x) * 3 + c];

				assert_int_equal(((uint8_t *)out.data)[(y * W / 2 + x) * 3 + c], (p[0] + p[3] + p[W * 3] + p[W * 3 + 3] + 2) >> 2);
			}
	out = run(a, letterbox_graph(a, same, same, true), &in);
	assert_memory_equal(out.data, px, sizeof(px));
	/* 5 columns of padding: 2 left, 3 right */
	out = run(a, letterbox_graph(a, same, wide, true), &in);
	assert_int_equal(((uint8_t *)out.data)[1 * 3 + 2], 114);
	assert_memory_equal((uint8_t *)out.data + 2 * 3, px, W * 3);
	assert_int_equal(((uint8_t *)out.data)[(2 + W) * 3], 114);
	/* a frame smaller than the picture cuts */
	out = run(a, letterbox_graph(a, same, half, true), &in);
	assert_int_equal(((uint8_t *)out.data)[0], px[(3 * W + 5) * 3]);
	arena_free(a);
}

/* the table of the letterbox in prediction, and pictures that are thinner than a pixel */
static void
test_fit(void **state)
{
	static const struct { int64_t h, w, frame[2]; double r, rw, rh, left, top, back_x, back_y; } row[] = {
		{ 1080, 810, { 640, 480 }, 640. / 1080, 480, 640, 0, 0, 0, 0 },
		{ 1080, 810, { 640, 640 }, 640. / 1080, 480, 640, 80, 0, 80, 0 },
		{ 720, 1280, { 384, 640 }, 0.5, 640, 360, 0, 12, 0, 12 },
		{ 427, 640, { 448, 640 }, 1, 640, 427, 0, 10, 0, 10 },
		{ 427, 640, { 640, 640 }, 1, 640, 427, 0, 106, 0, 106 },
		{ 500, 333, { 640, 448 }, 1.28, 426, 640, 11, 0, 11, 0 },
		{ 500, 333, { 640, 640 }, 1.28, 426, 640, 107, 0, 107, 0 },
		{ 1, 2000, { 640, 640 }, 0.32, 640, 1, 0, 319, 0, 320 },
	};
	static const int64_t target[2] = { 640, 640 };

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		double f[FIT_COUNT];

		fit_numbers(row[i].h, row[i].w, target, row[i].frame, true, f);
		if (f[FIT_R] != row[i].r || f[FIT_W] != row[i].rw || f[FIT_H] != row[i].rh || f[FIT_LEFT] != row[i].left ||
		    f[FIT_TOP] != row[i].top || f[FIT_BACK_X] != row[i].back_x || f[FIT_BACK_Y] != row[i].back_y)
			fail_msg("row %zu: r %g, size %g %g, pad %g %g, back %g %g", i, f[FIT_R], f[FIT_W], f[FIT_H],
			         f[FIT_LEFT], f[FIT_TOP], f[FIT_BACK_X], f[FIT_BACK_Y]);
	}
}

/* ---- nms -------------------------------------------------------------------------------------------- */

static void
test_nms(void **state)
{
	Arena *a = arena_new();
	json_error_t je;
	json_t *cases = json_load_file(test_path(a, "nms-cases.json"), 0, &je), *c, *x;
	size_t i, k;

	(void)state;
	assert_non_null(cases);
	assert_int_equal(json_array_size(cases), 21);
	json_array_foreach(cases, i, c) {
		Arena *b = arena_new();
		json_t *boxes = json_object_get(c, "boxes"), *scores = json_object_get(c, "scores");
		json_t *result = json_object_get(c, "result"), *classes = json_object_get(c, "classes");
		int64_t n = (int64_t)json_array_size(boxes), nc = num(c, "nc"), max = num(c, "max_det");
		Graph *g = parse_graph(b, arena_printf(b,
			"graph g(%%1 b: f32[1,%d,4], %%2 s: f32[1,%d,%d], %%3 conf: f32[1], %%4 iou: f64[1], %%5 keep: bool[%d], "
			"%%6 agnostic: i32[1], %%7 limit: i32[1]) { %%8 = nms %%1, %%2, %%3, %%4, %%5, %%6, %%7 {k=300, multi_label=%d} return %%8 }",
			(int)n, (int)n, (int)nc, (int)nc, (int)num(c, "multi_label")));
		Tensor in[7];

		for (int t = 0; t < 7; t++) {
			in[t].type = graph_node(g, g->input.p[t])->type;
			in[t].data = arena_alloc(b, (size_t)type_bytes(&in[t].type) + 1);
		}

		float *box = in[0].data, *score = in[1].data;
		uint8_t *keep = in[4].data;

		json_array_foreach(boxes, k, x) {
			float v[4];

			for (size_t j = 0; j < 4; j++)
				v[j] = (float)json_number_value(json_array_get(x, j));
			for (int j = 0; j < 2; j++) {
				*(box + k * 4 + j) = v[j] - v[j + 2] / 2;
				*(box + k * 4 + j + 2) = v[j] + v[j + 2] / 2;
			}
		}
		json_array_foreach(scores, k, x)
			for (size_t j = 0; j < (size_t)nc; j++)
				score[k * (size_t)nc + j] = (float)json_number_value(json_array_get(x, j));
		*(float *)in[2].data = (float)json_number_value(json_object_get(c, "conf"));
		*(double *)in[3].data = json_number_value(json_object_get(c, "iou"));
		memset(keep, json_is_null(classes), (size_t)nc);
		json_array_foreach(classes, k, x)
			keep[json_integer_value(x)] = 1;
		*(int32_t *)in[5].data = (int32_t)num(c, "agnostic");
		*(int32_t *)in[6].data = (int32_t)max;

		Tensor out = run(b, g, in);
		const int32_t *row = out.data;

		for (k = 0; k < 300; k++) {
			json_t *want = json_array_get(result, k);
			int64_t index = want ? num(want, "anchor") * nc + num(want, "class") : -1;

			if (row[k] != index)
				fail_msg("%s: row %zu is %d, not %d", json_string_value(json_object_get(c, "name")), k, row[k], (int)index);
		}
		arena_free(b);
	}
	json_decref(cases);
	arena_free(a);
}

/* max_nms keeps the most confident, first come on ties; limit is cut to k; a batch has a row each */
static void
test_nms_limits(void **state)
{
	static const char form[] =
		"graph g() { %%1 = const {0, 0, 1, 1, 2, 0, 3, 1, 4, 0, 5, 1, 6, 0, 7, 1} : f32[%s,4] %%2 = const {0.5, 0.9, 0.5, 0.7} : f32[%s,1] "
		"%%3 = const {0.1} : f32[1] %%4 = const {0.5} : f64[1] %%5 = const {1} : bool[1] %%6 = const {0} : i32[1] %%7 = const {%d} : i32[1] "
		"%%8 = nms %%1, %%2, %%3, %%4, %%5, %%6, %%7 {k=4, max_nms=%d} return %%8 }";
	static const struct { const char *shape; int limit, max; const char *want; } row[] = {
		{ "1,4", 99, 100, "i32[1,4] {1, 3, 0, 2}" },
		{ "1,4", 99, 3, "i32[1,4] {1, 3, 0, -1}" },
		{ "1,4", 2, 100, "i32[1,4] {1, 3, -1, -1}" },
		{ "1,4", -5, 100, "i32[1,4] {-1, -1, -1, -1}" },
		{ "2,2", 9, 100, "i32[2,4] {1, 0, -1, -1, 1, 0, -1, -1}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		Tensor t = run(a, parse_graph(a, arena_printf(a, form, row[i].shape, row[i].shape, row[i].limit, row[i].max)), NULL);

		assert_string_equal(tensor_text(a, &t), row[i].want);
		arena_free(a);
	}
}

static void
test_all_ops(void **state)
{
	(void)state;
	for (int op = OP_none + 1; op < OP_COUNT; op++)
		if (!seen[op] && op != OP_param)
			fail_msg("no test ran %s", op_info[op].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hand), cmocka_unit_test(test_errors), cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_conv), cmocka_unit_test(test_attention), cmocka_unit_test(test_body), cmocka_unit_test(test_fit),
		cmocka_unit_test(test_letterbox), cmocka_unit_test(test_half), cmocka_unit_test(test_nms),
		cmocka_unit_test(test_nms_limits), cmocka_unit_test(test_all_ops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
