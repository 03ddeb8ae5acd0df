/* test_cuda.c -- the CUDA device on a machine without a GPU, by the stand-in driver (standin.h).
 *
 * Started plainly, it makes a folder with libcuda.so.1 in it and starts itself again with
 * that folder in LD_LIBRARY_PATH, so that the library is found as a real one is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/program.h"
#include "runtime/yolo12c.h"
#include "tests/cuda/standin.h"

static StandinFn *standin;
static StandinFailedFn *standin_failed;
static StandinComplaintFn *standin_complaint;

static const char KERNELS[] =
	"kernel grow(d: global i64[3], p: global u8[?], y: global out f32[64]) grid(2, 1, 1) threads(32, 1, 1) {\n"
	"  %1:ix = axis block.x\n"
	"  %2:ix = axis thread.x\n"
	"  %3:ix = const 32\n"
	"  %4:ix = mul %1, %3\n"
	"  %5:ix = add %4, %2\n"
	"  %6:ix = const 0\n"
	"  %7:ix = const 1\n"
	"  %8:i64 = load d[%6]\n"
	"  %9:i64 = load d[%7]\n"
	"  %10:i64 = mul %8, %9\n"
	"  %11:i64 = const 3\n"
	"  %12:i64 = mul %10, %11\n"
	"  %13:ix = cast %12\n"
	"  %14:ix = rem %5, %13\n"
	"  %15:u8 = load p[%14]\n"
	"  %16:f32 = cast %15\n"
	"  store y[%5], %16\n"
	"}\n"
	"kernel turn(x: global f32[64], w: global f32[64], y: global out f32[64]) grid(1, 1, 1) threads(64, 1, 1) {\n"
	"  shared s: f32[16384]\n"         /* 64 KiB: must be asked for */
	"  %1:ix = axis thread.x\n"
	"  %2:f32 = load x[%1]\n"
	"  store s[%1], %2\n"
	"  barrier\n"
	"  %3:ix = const 63\n"
	"  %4:ix = sub %3, %1\n"
	"  %5:f32 = load s[%4]\n"
	"  %6:f32 = load w[%1]\n"
	"  %7:f32 = mul %5, %6\n"
	"  store y[%1], %7\n"
	"}\n"
	"kernel above(x: global f32[64], c: global f32[1], y: global out i32[64]) grid(2, 1, 1) threads(32, 1, 1) {\n"
	"  %1:ix = axis block.x\n"
	"  %2:ix = axis thread.x\n"
	"  %3:ix = const 32\n"
	"  %4:ix = mul %1, %3\n"
	"  %5:ix = add %4, %2\n"
	"  %6:f32 = load x[%5]\n"
	"  %7:ix = const 0\n"
	"  %8:f32 = load c[%7]\n"
	"  %9:i1 = lt %8, %6\n"
	"  %10:i32 = cast %9\n"
	"  store y[%5], %10\n"
	"}\n";

static const char PROGRAM[] =
	"program {\n"
	"  arena 1024\n"
	"  const 320\n"
	"  tmap tile f32 dim [16, 4] stride [64] step [1, 1] box [16, 4] swizzle 64 arena+0\n"
	"  tmap im2col f32 dim [4, 2, 2, 4] stride [16, 32, 64] step [1, 1, 1, 1] lower [-1, -1] upper [-1, -1]"
	" columns 4 32 swizzle 0 const+0\n"
	"  meta \"model\" \"tiny\"\n"
	"  entry detect {\n"
	"    input image0: u8[?,?,3]\n"
	"    input conf: f32[1] const+256\n"
	"    output score: f32[64] arena+256\n"
	"    output label: i32[64] arena+512\n"
	"    launch pre grow(dims image0+0:24, input image0+0, arena+0:256) \"letterbox\"\n"
	"    launch net turn(arena+0:256, const+0:256, arena+256:256) \"model.0\" programmatic\n"
	"    launch net turn(arena+256:256, const+0:256, arena+0:256) \"model.1\" programmatic\n"
	"    launch net turn(arena+0:256, const+0:256, arena+256:256) \"model.2\" programmatic\n"
	"    launch post above(arena+256:256, input conf+0:4, arena+512:256) \"keep\"\n"
	"  }\n"
	"  entry mapped {\n"
	"    input x: f32[64]\n"
	"    output y: f32[64] arena+256\n"
	"    launch net turn(input x+0:256, const+0:256, arena+0:256) \"a\"\n"
	"    launch net turn(tmap 0, tmap 1, arena+256:256) \"b\"\n"
	"  }\n"
	"  entry beside {\n"
	"    input x: f32[64]\n"
	"    output y: f32[64] arena+768\n"
	"    launch pre turn(input x+0:256, const+0:256, arena+0:256) \"0\"\n"
	"    launch net turn(arena+0:256, const+0:256, arena+512:256) \"1\" programmatic lane 1\n"
	"    launch net turn(arena+0:256, const+0:256, arena+256:256) \"2\" programmatic\n"
	"    launch net turn(arena+256:256, const+0:256, arena+0:256) \"3\" programmatic after 1\n"
	"    launch net turn(arena+512:256, const+0:256, arena+256:256) \"4\" programmatic lane 1 after 3\n"
	"    launch net turn(arena+256:256, const+0:256, arena+768:256) \"5\" programmatic lane 1\n"
	"  }\n"
	"}\n";

typedef struct Built { Arena *a; Program *p; void *image; size_t bytes; } Built;

static char *
code_text(Arena *a, const char *kernels)
{
	return arena_printf(a, "// y12-kir\n%s", kernels);
}

/* An engine of KERNELS and a program, with the given code. */
static Built
build(const char *program, const ProgCode *code, size_t ncode)
{
	Built b = { .a = arena_new() };
	const char *text = arena_printf(b.a, "%s%s", KERNELS, program);
	Diag *d = diag_new(b.a);
	float w[80] = { 0 };

	for (int i = 0; i < 64; i++)
		w[i] = 1.0f + 0.5f * (float)(i % 7);
	w[64] = 300;
	b.p = program_parse(b.a, d, diag_source(d, "test", text, strlen(text)), w, sizeof w);
	if (!b.p)
		diag_print(d, stderr, false);
	assert_non_null(b.p);
	b.image = engine_image(b.a, b.p, code, ncode, &b.bytes);
	return b;
}

static Built
built(void)
{
	static char text[8192];
	ProgCode code = { .target = "sm_90", .blob = text };

	code.bytes = (size_t)snprintf(text, sizeof text, "// y12-kir\n%s", KERNELS) + 1;
	return build(PROGRAM, &code, 1);
}

static y12_status
open_on(const Built *b, const char *device, y12_engine **e)
{
	return y12_engine_open_memory(b->image, b->bytes, &(y12_options){ .device = device }, e);
}

static y12_engine *
opened(const Built *b, const y12_options *opt)
{
	y12_engine *e;
	y12_status s = y12_engine_open_memory(b->image, b->bytes, opt, &e);

	if (s)
		fprintf(stderr, "%s; %s\n", y12_message(e), standin_complaint());
	assert_int_equal(s, Y12_OK);
	return e;
}

static void
assert_message(const y12_engine *e, const char *part)
{
	if (!strstr(y12_message(e), part))
		fail_msg("\"%s\" is not in \"%s\"", part, y12_message(e));
}

typedef struct Detect {
	uint8_t pixel[3 * 400];
	float conf, score[64];
	int32_t label[64];
	y12_tensor io[4];
} Detect;

static void
prepare(Detect *t, int64_t h, int64_t w)
{
	for (int i = 0; i < (int)sizeof t->pixel; i++)
		t->pixel[i] = (uint8_t)(i * 37 + h);
	t->conf = 500;
	t->io[0] = (y12_tensor){ "image0", Y12_U8, 3, { h, w, 3 }, t->pixel };
	t->io[1] = (y12_tensor){ "score", Y12_F32, 1, { 64 }, t->score };
	t->io[2] = (y12_tensor){ "label", Y12_I32, 1, { 64 }, t->label };
	t->io[3] = (y12_tensor){ "conf", Y12_F32, 1, { 1 }, &t->conf };
	memset(t->score, 0xee, sizeof t->score);
	memset(t->label, 0xee, sizeof t->label);
}

/* what the interpreter says */
static void
assert_right(const Built *b, const Detect *t, bool conf)
{
	Arena *a = arena_new();
	Tensor in[2] = { { .data = (void *)(uintptr_t)t->pixel }, { .data = conf ? (void *)(uintptr_t)&t->conf : NULL } }, out[2];
	const char *err;

	in[0].type = type_of(DT_U8, 3, t->io[0].dim);
	in[1].type = type_of(DT_F32, 1, (int64_t[]){ 1 });
	if (!program_interpret(b->p, "detect", in, out, a, &err))
		fail_msg("%s", err);
	assert_memory_equal(out[0].data, t->score, sizeof t->score);
	assert_memory_equal(out[1].data, t->label, sizeof t->label);
	arena_free(a);
}

static void
assert_all_gone(Built *b)
{
	arena_free(b->a);
	assert_int_equal(standin("live", 0), 0);
	assert_int_equal(standin("stack", 0), 0);
	assert_int_equal(standin("memory_used", 0), 0);
}

/* y of entry beside; the weights are the same from both ends but for the order, as turn() turns. */
static void
run_beside(const Built *b, float *y)
{
	y12_engine *e = opened(b, &(y12_options){ .device = "cuda:0" });
	float x[64];
	y12_tensor io[2] = { { "x", Y12_F32, 1, { 64 }, x }, { "y", Y12_F32, 1, { 64 }, y } };

	for (int i = 0; i < 64; i++)
		x[i] = (float)i;
	assert_int_equal(y12_run(e, "beside", io, 2), Y12_OK);
	y12_engine_close(e);
}

/* Lanes become branches of the graph, which the stand-in runs in another order than they were written in: where
 * a launch does not say what it waits for, that shows. */
static void
lanes(void **state)
{
	static char kernels[8192];
	ProgCode code = { .target = "sm_90", .blob = kernels };
	const char *forget = " after 1";
	float right[64], wrong[64], want[64];
	Tensor in = { .data = want }, out;
	const char *err;
	Built b = built(), c;
	char *text = arena_str(b.a, PROGRAM), *at = strstr(text, forget);

	(void)state;
	standin("fail", 0);
	run_beside(&b, right);
	assert_int_equal(standin("early", 0), 3);       /* two of detect, and launch 5: 3 and 4 wait for others, too */
	for (int i = 0; i < 64; i++)
		want[i] = (float)i;
	in.type = type_of(DT_F32, 1, (int64_t[]){ 64 });
	if (!program_interpret(b.p, "beside", &in, &out, b.a, &err))
		fail_msg("%s", err);
	assert_memory_equal(right, out.data, sizeof right);

	memset(at, ' ', strlen(forget));
	code.bytes = (size_t)snprintf(kernels, sizeof kernels, "// y12-kir\n%s", KERNELS) + 1;
	c = build(text, &code, 1);
	run_beside(&c, wrong);
	assert_memory_not_equal(right, wrong, sizeof right);
	arena_free(c.a);
	assert_all_gone(&b);
}

static void
runs(void **state)
{
	static const int64_t size[][2] = { { 20, 20 }, { 1, 1 }, { 3, 5 }, { 20, 20 } };
	Built b = built();
	y12_engine *e;
	Detect t;
	long live, used;

	(void)state;
	standin("fail", 0);
	e = opened(&b, &(y12_options){ .device = "cuda:0" });
	assert_int_equal(standin("early", 0), 3);       /* not behind a border, and one entry never */
	live = standin("live", 0);
	used = standin("memory_used", 0);
	assert_int_equal(used, (long)y12_device_bytes(e));
	for (size_t i = 0; i < COUNT(size); i++)
		for (size_t conf = 0; conf < 2; conf++) {
			prepare(&t, size[i][0], size[i][1]);
			assert_int_equal(y12_run(e, "detect", t.io, 3 + conf), Y12_OK);
			assert_right(&b, &t, conf);
			assert_true(y12_seconds(e, "pre") > 0 && y12_seconds(e, "net") > 0 && y12_seconds(e, "post") > 0);
			assert_true(y12_seconds(e, "all") > y12_seconds(e, "net"));
		}
	prepare(&t, 2, 2);
	assert_int_equal(y12_run(e, "detect", t.io, 1), Y12_OK);        /* no outputs are wanted */
	assert_int_equal(standin("live", 0), live);
	assert_int_equal(standin("memory_used", 0), used);
	assert_string_equal(y12_device(e, "kind"), "cuda");
	assert_string_equal(y12_device(e, "name"), "Stand-in 0");
	assert_string_equal(y12_device(e, "sm"), "90");
	assert_string_equal(y12_device(e, "driver"), "12.4");
	assert_non_null(y12_device(e, "free"));
	assert_null(y12_device(e, "colour"));
	y12_engine_close(e);
	assert_all_gone(&b);
}

static void
tensor_maps(void **state)
{
	Built b = built();
	float x[64], y[64], w;
	y12_tensor io[] = { { "x", Y12_F32, 1, { 64 }, x }, { "y", Y12_F32, 1, { 64 }, y } };
	y12_engine *e;

	(void)state;
	standin("fail", 0);
	e = opened(&b, &(y12_options){ .device = "gpu" });
	assert_int_equal(standin("maps", 0), 2);
	for (int i = 0; i < 64; i++)
		x[i] = (float)i;
	assert_int_equal(y12_run(e, "mapped", io, 2), Y12_OK);
	for (int i = 0; i < 64; i++) {
		w = 1.0f + 0.5f * (float)(i % 7);
		assert_true(y[i] == (float)i * (1.0f + 0.5f * (float)((63 - i) % 7)) * w);
	}
	y12_engine_close(e);
	assert_all_gone(&b);
}

typedef struct Seen { int n; double sum; char names[200]; } Seen;

static void
see(void *user, const char *kernel, const char *layer, double seconds)
{
	Seen *s = user;

	s->n++;
	s->sum += seconds;
	snprintf(s->names + strlen(s->names), sizeof s->names - strlen(s->names), "%s:%s ", kernel, layer);
}

static void
times(void **state)
{
	Built b = built();
	y12_engine *e = opened(&b, &(y12_options){ .device = "0" });
	double seconds[70] = { 0 };
	Seen seen = { 0 };
	Detect t;
	long live = standin("live", 0);

	(void)state;
	prepare(&t, 3, 3);
	standin("fail", 0);
	assert_int_equal(y12_bench(e, "detect", t.io, 3, COUNT(seconds), seconds), Y12_OK);
	assert_int_equal(standin("launches", 0), 5 * (70 + 3));         /* one not timed for each 32 */
	for (size_t i = 0; i < COUNT(seconds); i++)
		assert_true(seconds[i] > 0);
	assert_true(y12_seconds(e, "all") == seconds[69] && y12_seconds(e, "net") > 0);
	assert_int_equal(y12_profile(e, "detect", t.io, 3, see, &seen), Y12_OK);
	assert_right(&b, &t, false);
	assert_int_equal(seen.n, 5);
	assert_true(seen.sum > 0);
	assert_string_equal(seen.names, "grow:letterbox turn:model.0 turn:model.1 turn:model.2 above:keep ");
	assert_int_equal(standin("live", 0), live);
	assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_OK);
	assert_true(y12_seconds(e, "net") > 0);
	y12_engine_close(e);
	assert_all_gone(&b);
}

static void
pictures(void **state)
{
	Built b = built();
	y12_engine *e = opened(&b, &(y12_options){ .device = "cuda:0", .picture_bytes = 300 });
	Detect t;

	(void)state;
	prepare(&t, 10, 10);
	assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_OK);
	prepare(&t, 10, 11);
	assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_SHAPE);
	assert_message(e, "image0 takes 330 bytes, and 300 are reserved");
	prepare(&t, 1, 2);
	assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_OK);
	assert_right(&b, &t, false);
	y12_engine_close(e);
	assert_all_gone(&b);
}

/* larger than the pinned buffer, both ways */
static void
past_the_pinned_buffer(void **state)
{
	static const char big[] =
		"kernel copy(x: global u8[41943040], y: global out u8[41943040]) grid(1, 1, 1) threads(32, 1, 1) {\n"
		"  %1:ix = axis thread.x\n"
		"  %2:ix = const 41943000\n"
		"  %3:ix = add %1, %2\n"
		"  %4:u8 = load x[%3]\n"
		"  store y[%3], %4\n"
		"}\n"
		"program {\n  arena 41943040\n  const 0\n"
		"  entry e {\n    input x: u8[41943040]\n    output y: u8[41943040] arena+0\n"
		"    launch net copy(input x+0:41943040, arena+0:41943040) \"\"\n  }\n}\n";
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	Program *p = program_parse(a, d, diag_source(d, "big", big, sizeof big - 1), "", 0);
	const char *end = strstr(big, "program");
	ProgCode code = { .target = "sm_80" };
	Built b = { .a = a };
	size_t n = 41943040;
	uint8_t *x = calloc(1, n), *y = calloc(1, n);
	y12_tensor io[] = { { "x", Y12_U8, 1, { 41943040 }, x }, { "y", Y12_U8, 1, { 41943040 }, y } };
	y12_engine *e;

	(void)state;
	assert_non_null(p);
	code.blob = code_text(a, arena_strn(a, big, (size_t)(end - big)));
	code.bytes = strlen(code.blob) + 1;
	b.image = engine_image(a, p, &code, 1, &b.bytes);
	e = opened(&b, &(y12_options){ .device = "cuda:1" });
	memset(x, 7, n);
	assert_int_equal(y12_run(e, "e", io, 2), Y12_OK);
	assert_int_equal(y[41943000], 7);
	assert_int_equal(y[41943031], 7);
	y12_engine_close(e);
	free(x);
	free(y);
	assert_all_gone(&b);
}

/* ---- code --------------------------------------------------------------------------------- */

static void
choice(void **state)
{
	static const struct { int sm; const char *have[4], *want; } row[] = {
		{ 90, { "sm_80", "sm_90", "sm_90a" }, "sm_90a PTX" },
		{ 90, { "sm_80", "sm_90", "cubin sm_90" }, "sm_90 cubin" },
		{ 90, { "cubin sm_90", "sm_90a" }, "sm_90a PTX" },
		{ 89, { "sm_80", "cubin sm_80", "sm_90a" }, "sm_80 cubin" },
		{ 89, { "sm_80", "sm_86", "sm_90" }, "sm_86 PTX" },
		{ 90, { "cubin sm_86", "sm_75" }, "sm_75 PTX" },
		{ 100, { "sm_90a", "sm_90" }, "sm_90 PTX" },
		{ 100, { "sm_90a", "cubin sm_90" }, NULL },
		{ 75, { "sm_80", "host:x86-64-v3" }, NULL },
		{ 90, { "sm_90x", "sm_", "sm_9", "host:x86-64-v3" }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		ProgCode code[4] = { { 0 } };
		size_t n = 0;
		Built b;
		y12_engine *e;

		for (; n < 4 && row[i].have[n]; n++) {
			const char *target = row[i].have[n];
			bool cubin = strncmp(target, "cubin ", 6) == 0;

			code[n].target = target + (cubin ? 6 : 0);
			code[n].blob = cubin ? arena_printf(a, "\177ELFy12-kir %s\n%s", code[n].target, KERNELS)
			                     : code_text(a, KERNELS);
			code[n].bytes = strlen(code[n].blob) + 1;
		}
		standin("sm", row[i].sm);
		b = build(PROGRAM, code, n);
		if (row[i].sm < 90)             /* without the entry that copies by tensor maps */
			b.p->entry.n = 1;
		b.image = engine_image(b.a, b.p, code, n, &b.bytes);
		if (row[i].want) {
			e = opened(&b, &(y12_options){ .device = "cuda:0" });
			assert_memory_equal(y12_device(e, "code"), row[i].want, strlen(row[i].want));
		} else {
			assert_int_equal(open_on(&b, "cuda:0", &e), Y12_NODEVICE);
			assert_message(e, "the engine holds no code for Stand-in 0, an sm_");
			assert_message(e, row[i].have[0][0] == 'c' ? "sm_90 (cubin)" : row[i].have[0]);
		}
		y12_engine_close(e);
		arena_free(a);
		assert_all_gone(&b);
	}
	standin("sm", 90);
}

/* each kernel in a module of its own */
static void
modules(void **state)
{
	static char blob[8192];
	size_t at[3], n = 0;
	const char *from = KERNELS;
	ProgCode code = { .target = "sm_90a", .blob = blob, .entry = at };
	y12_engine *e;
	Detect t;
	Built b;

	(void)state;
	for (int i = 0; i < 3; i++) {
		const char *end = strstr(from, "}\n") + 2;

		at[i] = n;
		n += (size_t)sprintf(blob + n, "// y12-kir\n%.*s", (int)(end - from), from) + 1;
		from = end;
	}
	code.bytes = n;
	b = build(PROGRAM, &code, 1);
	standin("fail", 0);
	e = opened(&b, &(y12_options){ .device = "cuda:0" });
	assert_int_equal(standin("links", 0), 3);
	prepare(&t, 4, 4);
	assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_OK);
	assert_right(&b, &t, false);
	y12_engine_close(e);
	assert_all_gone(&b);
}

/* the only file in a folder */
static char *
only_file(Arena *a, const char *dir)
{
	FILE *f = popen(arena_printf(a, "ls %s", dir), "r");
	char name[300] = "";

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%299s", name), 1);
	assert_int_equal(fscanf(f, "%299s", name + 250), EOF);
	pclose(f);
	return arena_printf(a, "%s/%s", dir, name);
}

static void
cache(void **state)
{
	char dir[] = "/tmp/y12-cuda-XXXXXX";
	Built b = built();
	y12_options opt = { .device = "cuda:0", .cache_dir = dir };
	static const struct { const char *what; long links; const char *code; } row[] = {
		{ "first", 1, "kept" }, { "again", 0, "compiled before" }, { "damaged", 1, "kept" },
		{ "again", 0, "compiled before" }, { "cut", 1, "kept" }, { "other driver", 1, "kept" },
		{ "other sm", 1, "kept" }, { "folder gone", 1, "not kept" },
	};
	const char *path = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < COUNT(row); i++) {
		y12_engine *e;
		Detect t;

		if (strcmp(row[i].what, "damaged") == 0) {
			FILE *f = fopen(path = only_file(b.a, dir), "r+");

			fseek(f, 100, SEEK_SET);
			fputc('#', f);
			fclose(f);
		} else if (strcmp(row[i].what, "cut") == 0) {
			assert_int_equal(truncate(path, 200), 0);
		} else if (strcmp(row[i].what, "other driver") == 0) {
			standin("driver", 13000);
		} else if (strcmp(row[i].what, "other sm") == 0) {
			standin("sm", 100);
		} else if (strcmp(row[i].what, "folder gone") == 0) {
			assert_int_equal(system(arena_printf(b.a, "rm -r %s", dir)), 0);
		}
		standin("fail", 0);
		e = opened(&b, &opt);
		assert_int_equal(standin("links", 0), row[i].links);
		if (!strstr(y12_device(e, "code"), row[i].code))
			fail_msg("%s: %s", row[i].what, y12_device(e, "code"));
		prepare(&t, 4, 4);
		assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_OK);
		assert_right(&b, &t, false);
		y12_engine_close(e);
	}
	standin("driver", 12040);
	standin("sm", 90);
	assert_all_gone(&b);
}

static void
refused(void **state)
{
	static const struct { const char *text; y12_status s; const char *want; } row[] = {
		{ ".version 8.5\n.target sm_90\n", Y12_DEVICE,
		  "cuda:0: cuLinkAddData: CUDA_ERROR_INVALID_PTX (a PTX JIT compilation failed): line 1: this stand-in runs" },
		{ ".version 99.9\n.target sm_90\n", Y12_NODEVICE, "PTX 99.9, for which the driver (CUDA 12.4) is too old" },
		{ "\177ELF and nothing else", Y12_DEVICE, "cuModuleLoadDataEx: CUDA_ERROR_INVALID_IMAGE" },
		{ "// y12-kir\nkernel other(x: global out f32[1]) grid(1, 1, 1) threads(1, 1, 1) {\n}\n", Y12_CORRUPT,
		  "has no kernel grow" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		ProgCode code = { .target = "sm_90", .blob = row[i].text, .bytes = strlen(row[i].text) + 1 };
		Built b = build(PROGRAM, &code, 1);
		y12_engine *e;

		assert_int_equal(open_on(&b, "cuda:0", &e), row[i].s);
		assert_message(e, row[i].want);
		y12_engine_close(e);
		standin_complaint();
		code.bytes--;           /* a text without its end */
		if (i == 0) {
			b.image = engine_image(b.a, b.p, &code, 1, &b.bytes);
			assert_int_equal(open_on(&b, "cuda:0", &e), Y12_CORRUPT);
			assert_message(e, "neither a cubin nor PTX");
			y12_engine_close(e);
		}
		assert_all_gone(&b);
	}
}

/* ---- what can't be had -------------------------------------------------------------------- */

static void
no_such(void **state)
{
	Built b = built();
	y12_engine *e;

	(void)state;
	assert_int_equal(open_on(&b, "cuda:2", &e), Y12_NODEVICE);
	assert_message(e, "there is no cuda:2: this machine has 2 GPUs");
	y12_engine_close(e);
	standin("gpus", 1);
	assert_int_equal(open_on(&b, "1", &e), Y12_NODEVICE);
	assert_message(e, "there is no cuda:1: this machine has 1 GPU");
	y12_engine_close(e);
	standin("gpus", 2);
	for (const char *const *d = (const char *const[]){ "cuda:", "cuda:x", "cuda:256", "gpu:-1", "12x", "cudax", "", NULL }; *d; d++) {
		assert_int_equal(open_on(&b, *d, &e), Y12_NODEVICE);
		assert_message(e, *d);
		y12_engine_close(e);
	}
	assert_int_equal(open_on(&b, "host", &e), Y12_NODEVICE);
	y12_engine_close(e);

	standin("memory", 1 << 20);
	assert_int_equal(open_on(&b, "cuda:0", &e), Y12_NOMEMORY);
	assert_message(e, "needs 67110720 bytes of Stand-in 0's memory, and of its 1048576 only 1048576 are free");
	assert_int_equal(y12_run(e, "detect", NULL, 0), Y12_NOENTRY);   /* it is not open */
	y12_engine_close(e);
	standin("memory", 1 << 28);

	standin("sm", 89);
	{
		ProgCode code = { .target = "sm_80", .blob = code_text(b.a, KERNELS) };

		code.bytes = strlen(code.blob) + 1;
		b.image = engine_image(b.a, b.p, &code, 1, &b.bytes);
		assert_int_equal(open_on(&b, "cuda:0", &e), Y12_NODEVICE);
		assert_message(e, "tensor maps, which need an sm_90 and CUDA 12.0; here are an sm_89 and CUDA 12.4");
		y12_engine_close(e);
		standin("sm", 90);

		/* code for an older one does not wait for the launch before it */
		standin("fail", 0);
		e = opened(&b, &(y12_options){ .device = "cuda:0" });
		assert_int_equal(standin("early", 0), 0);
		y12_engine_close(e);

		b.p->kernel.p[1]->buf.p[3].count = 1 << 16;
		b.image = engine_image(b.a, b.p, &code, 1, &b.bytes);
		assert_int_equal(open_on(&b, "cuda:0", &e), Y12_NODEVICE);
		assert_message(e, "kernel turn needs 262144 bytes of shared memory, Stand-in 0 has 232448 for a block");
		y12_engine_close(e);
	}
	assert_all_gone(&b);
}

/* A kernel that fails ends the engine, and says so every time. */
static void
lost(void **state)
{
	Built b = built();
	y12_engine *e, *other;
	char *code = code_text(b.a, KERNELS), *at = strstr(code, "const 63");
	ProgCode c = { .target = "sm_90", .blob = code, .bytes = strlen(code) + 1 };
	Detect t;

	(void)state;
	memcpy(at, "const 99", 8);              /* s[99 - thread] is not written */
	b.image = engine_image(b.a, b.p, &c, 1, &b.bytes);
	standin("fail", 0);
	e = opened(&b, &(y12_options){ .device = "cuda:0" });
	prepare(&t, 4, 4);
	assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_DEVICE);
	assert_message(e, "cuda:0: cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access");
	assert_true(strstr(standin_complaint(), "kernel turn") != NULL);
	assert_int_equal(y12_run(e, "detect", t.io, 3), Y12_DEVICE);
	assert_message(e, "CUDA_ERROR_ILLEGAL_ADDRESS");
	assert_int_equal(y12_profile(e, "detect", t.io, 3, see, &(Seen){ 0 }), Y12_DEVICE);
	assert_int_equal(open_on(&b, "cuda:0", &other), Y12_DEVICE);    /* it ends the context too */
	y12_engine_close(other);
	y12_engine_close(e);
	standin("fail", 0);
	standin_complaint();
	assert_all_gone(&b);
}

/* Every call of the driver fails once, in three ways. */
static void
faults(void **state)
{
	static const int error[] = { 999, 2, 700 };
	char dir[] = "/tmp/y12-cuda-XXXXXX";
	Built b = built();
	char rm[64];
	int tried = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(rm, sizeof rm, "rm -rf %s/*", dir);
	for (size_t k = 0; k < COUNT(error); k++) {
		standin("error", error[k]);
		for (long n = 1;; n++) {
			long live = standin("live", 0);
			y12_options opt = { .device = "cuda:0", .picture_bytes = 4096, .cache_dir = n % 2 ? dir : NULL };
			const char *call = NULL;
			char message[1200] = "";
			double seconds[2];
			y12_status s;
			y12_engine *e;
			Detect t;

			assert_int_equal(system(rm), 0);
			standin("fail", n);
			prepare(&t, 5, 5);
			s = y12_engine_open_memory(b.image, b.bytes, &opt, &e);
			if (!s)
				s = y12_run(e, "detect", t.io, 4);
			if (!s)
				assert_right(&b, &t, true);
			if (!s)
				s = y12_bench(e, "detect", t.io, 4, 2, seconds);
			if (!s)
				s = y12_profile(e, "detect", t.io, 4, see, &(Seen){ 0 });
			snprintf(message, sizeof message, "%s", y12_message(e));
			call = standin_failed();
			if (s) {
				assert_non_null(call);
				if (!strstr(message, call))
					fail_msg("%s failed, and the message is: %s", call, message);
				assert_true(strstr(message, "CUDA_ERROR") || strstr(message, "bytes"));
				assert_true(s == Y12_DEVICE || (s == Y12_NOMEMORY && error[k] == 2));
				/* too little memory: how much it takes, wherever it is that it lacks */
				if (s == Y12_NOMEMORY && !strstr(message, "bytes"))
					assert_true(strstr(message, "cuInit") || strstr(message, "cuDevice") || strstr(message, "cuDriver"));
			} else {
				assert_null(call);
			}
			y12_engine_close(e);
			tried++;
			if (!call && standin_failed()) {        /* in closing: what could be released was */
				if (strcmp(standin_failed(), "cuCtxPushCurrent") == 0)
					standin_complaint();    /* nothing could */
				else
					assert_int_equal(standin("live", 0), live);
				continue;
			}
			assert_int_equal(standin("live", 0), live);
			assert_int_equal(standin("stack", 0), 0);
			if (!call)
				break;
		}
	}
	assert_string_equal(standin_complaint(), "");
	fprintf(stderr, "%d faults\n", tried);
	snprintf(rm, sizeof rm, "rm -r %s", dir);
	assert_int_equal(system(rm), 0);
	standin("fail", 0);
	arena_free(b.a);
}

/* ---- several at once ---------------------------------------------------------------------- */

typedef struct Worker { const Built *b; const char *device; bool good; } Worker;

static void *
work(void *arg)
{
	Worker *w = arg;
	y12_engine *e;
	Detect t;

	w->good = open_on(w->b, w->device, &e) == Y12_OK;
	for (int i = 1; i < 20 && w->good; i++) {
		prepare(&t, i, 20 - i);
		w->good = y12_run(e, "detect", t.io, 3) == Y12_OK && y12_run(e, "detect", t.io, 1) == Y12_OK;
	}
	y12_engine_close(e);
	return NULL;
}

static void
side_by_side(void **state)
{
	static const char *const device[] = { "cuda:0", "cuda:1", "cuda:0", "cuda:1" };
	Built b = built();
	y12_engine *x = opened(&b, &(y12_options){ .device = "cuda:0" }), *y = opened(&b, &(y12_options){ .device = "cuda:1" });
	pthread_t thread[4];
	Worker w[4];
	Detect t, u;

	(void)state;
	for (int i = 1; i < 6; i++) {
		prepare(&t, i, i);
		prepare(&u, 7 - i, 2);
		assert_int_equal(y12_run(x, "detect", t.io, 3), Y12_OK);
		assert_int_equal(y12_run(y, "detect", u.io, 3), Y12_OK);
		assert_right(&b, &t, false);
		assert_right(&b, &u, false);
	}
	y12_engine_close(x);
	prepare(&u, 9, 2);
	assert_int_equal(y12_run(y, "detect", u.io, 3), Y12_OK);
	assert_right(&b, &u, false);
	y12_engine_close(y);
	standin("memory", (long)1 << 30);
	for (int i = 0; i < 4; i++) {
		w[i] = (Worker){ &b, device[i], false };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_true(w[i].good);
	}
	standin("memory", 1 << 28);
	assert_all_gone(&b);
}

/* ---- layouts ------------------------------------------------------------------------------ */

static void
hostile_maps(void **state)
{
	Built b = built();
	y12e_header h;
	uint8_t *copy = aligned_alloc(64, (b.bytes + 63) / 64 * 64);
	y12_engine *e;
	int refused_ones = 0;

	(void)state;
	memcpy(&h, b.image, sizeof h);
	assert_int_equal(h.tmaps.count, 2);
	for (size_t at = 0; at < 2 * sizeof(y12e_tmap); at += 4)
		for (int bit = 0; bit < 32; bit += 5) {
			y12_status s;

			memcpy(copy, b.image, b.bytes);
			copy[h.tmaps.offset + at + (size_t)bit / 8] ^= (uint8_t)(1 << bit % 8);
			((y12e_header *)(void *)copy)->checksum =
				y12e_checksum(copy + offsetof(y12e_header, arena_bytes), b.bytes - offsetof(y12e_header, arena_bytes));
			s = y12_engine_open_memory(copy, b.bytes, &(y12_options){ .device = "cuda:0", .picture_bytes = 64 }, &e);
			refused_ones += s == Y12_CORRUPT;
			if (s == Y12_DEVICE)    /* what the driver alone knows: alignments of boxes and swizzles */
				assert_message(e, "cuTensorMapEncode");
			else
				assert_true(s == Y12_OK || s == Y12_CORRUPT);
			y12_engine_close(e);
		}
	assert_true(refused_ones > 100);
	standin_complaint();
	free(copy);
	assert_all_gone(&b);
}

/* print(parse(print(p))) is print(p), with maps */
static void
text(void **state)
{
	Built b = built();
	char *one = NULL, *two = NULL;
	size_t n, m;
	FILE *f = open_memstream(&one, &n);
	Diag *d = diag_new(b.a);
	Program *p;

	(void)state;
	program_print(f, b.p);
	fclose(f);
	p = program_parse(b.a, d, diag_source(d, "one", one, n), b.p->consts, (size_t)b.p->const_bytes);
	if (!p)
		diag_print(d, stderr, false);
	assert_non_null(p);
	f = open_memstream(&two, &m);
	program_print(f, p);
	fclose(f);
	assert_string_equal(one, two);
	assert_non_null(strstr(one, "tmap im2col f32 dim [4, 2, 2, 4] stride [16, 32, 64] step [1, 1, 1, 1] lower [-1, -1]"));
	assert_non_null(strstr(one, "\"model.0\" programmatic"));
	free(one);
	free(two);
	arena_free(b.a);
}

/* ---- starting ----------------------------------------------------------------------------- */

/* in a process that has no such library */
static int
without_driver(void)
{
	Built b;
	y12_engine *e;
	bool right;

	if (dlopen("libcuda.so.1", RTLD_LAZY))
		return 77;
	b = built();
	right = open_on(&b, "cuda:0", &e) == Y12_NODEVICE &&
	        strstr(y12_message(e), "cuda:0: the NVIDIA driver is not installed: libcuda.so.1");
	y12_engine_close(e);
	arena_free(b.a);
	return !right;
}

static void
no_driver(void **state)
{
	pid_t pid = fork();
	int status = 0;

	(void)state;
	if (pid == 0) {
		unsetenv("LD_LIBRARY_PATH");
		execl("/proc/self/exe", "test_cuda", "without-driver", (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
start_again(void)
{
	const char *build_dir = getenv("builddir"), *given = getenv("Y12_STANDIN_LIBRARY");
	char dir[] = "/tmp/y12-standin-XXXXXX", link[64], path[4096], real[4096];

	snprintf(path, sizeof path, "%s/tests/cuda/.libs/libcuda_standin.so", build_dir ? build_dir : ".");
	if (!realpath(given ? given : path, real) || !mkdtemp(dir)) {
		fprintf(stderr, "the stand-in driver is missing: %s\n", given ? given : path);
		exit(1);
	}
	snprintf(link, sizeof link, "%s/libcuda.so.1", dir);
	if (symlink(real, link))
		exit(1);
	setenv("LD_LIBRARY_PATH", dir, 1);
	setenv("Y12_STANDIN_DIR", dir, 1);
	execl("/proc/self/exe", "test_cuda", (char *)NULL);
	exit(1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lanes),
		cmocka_unit_test(runs), cmocka_unit_test(tensor_maps), cmocka_unit_test(times),
		cmocka_unit_test(pictures), cmocka_unit_test(past_the_pinned_buffer), cmocka_unit_test(choice),
		cmocka_unit_test(modules), cmocka_unit_test(cache), cmocka_unit_test(refused), cmocka_unit_test(no_such),
		cmocka_unit_test(lost), cmocka_unit_test(side_by_side), cmocka_unit_test(hostile_maps),
		cmocka_unit_test(text), cmocka_unit_test(no_driver), cmocka_unit_test(faults),
	};
	const char *dir = getenv("Y12_STANDIN_DIR");
	char path[300];
	void *lib;
	int bad;

	if (argc > 1 && strcmp(argv[1], "without-driver") == 0)
		return without_driver();
	if (!dir)
		start_again();
	lib = dlopen("libcuda.so.1", RTLD_NOW);
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	*(void **)&standin = dlsym(lib, "y12_standin");
	*(void **)&standin_failed = dlsym(lib, "y12_standin_failed");
	*(void **)&standin_complaint = dlsym(lib, "y12_standin_complaint");
	if (!standin)
		return 1;
	bad = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof path, "%s/libcuda.so.1", dir);
	unlink(path);
	rmdir(dir);
	return bad;
}
