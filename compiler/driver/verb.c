/* verb.c -- what the verbs that look at a network have in common.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "driver/tune_table.h"
#include "driver/ui.h"
#include "driver/verb.h"
#include "runtime/yolo12c.h"

/* "forward,detect" -> both, and NULL */
static const char *const *
entries(Arena *a, const char *list)
{
	VEC(const char *) v = { 0 };

	while (list && *list) {
		size_t n = strcspn(list, ",");

		if (n)
			vec_push(a, &v, arena_strn(a, list, n));
		list += n + (list[n] == ',');
	}
	if (!v.n)
		return NULL;
	vec_push(a, &v, NULL);
	return v.p;
}

static bool
target(Diag *d, const char *name, const Target **t)
{
	const char *const *names, *near;
	size_t n;

	if (!name || (*t = target_named(name)))
		return true;
	names = target_names(&n);
	near = did_you_mean(name, names, n);
	diag_error(d, (Span){ 0 }, "target-unknown", near ? "there is no target %s; did you mean %s?" : "there is no target %s",
	           name, near);
	if (!near)
		for (size_t i = 0; i < n; i++)
			diag_note(d, (Span){ 0 }, "there is %s", names[i]);
	return false;
}

static void
status_error(Diag *d, y12_status s, const char *message)
{
	diag_error(d, (Span){ 0 }, s == Y12_NODEVICE ? "no-device" : s == Y12_NOMEMORY ? "no-memory" : "run-failed", "%s", message);
}

bool
verb_status(Diag *d, y12_status s, const y12_engine *e)
{
	if (s)
		status_error(d, s, e ? y12_message(e) : "out of memory");
	return !s;
}

bool
verb_open(Diag *d, const void *image, size_t bytes, const y12_options *opt, y12_engine **out)
{
	y12_status s = y12_engine_open_memory(image, bytes, opt, out);

	return verb_status(d, s, *out);
}

/* host, cpu:4, cuda, gpu:1, 0 */
static bool
device_spelled(const char *s)
{
	static const char *const word[] = { "host", "cpu", "cuda", "gpu" };
	size_t n = strcspn(s, ":");
	bool known = false;

	for (size_t i = 0; i < COUNT(word); i++)
		known |= strncmp(s, word[i], n) == 0 && !word[i][n];
	if (known && !s[n])
		return true;
	s += known ? n + 1 : 0;
	return *s && !s[strspn(s, "0123456789")];
}

bool
verb_device(const Options *o, Diag *d, y12_gpu *gpu)
{
	char why[1024];

	if (!device_spelled(o->device)) {
		diag_error(d, (Span){ 0 }, "device-unknown", "device=%s: there are host, host:4 with four threads, and GPUs: 0, cuda:1",
		           o->device);
		return false;
	}

	y12_status s = y12_device_find(o->device, gpu, why, sizeof why);

	if (s)
		status_error(d, s, why);
	return !s;
}

const Target *
verb_target_for(Diag *d, const y12_gpu *gpu)
{
	const char *const *name;
	const Target *best = NULL;
	size_t n;

	name = target_names(&n);
	for (size_t i = 0; i < n; i++) {
		const Target *t = target_named(name[i]);
		bool only = t && t->name[strlen(t->name) - 1] == 'a';

		if (t && t->kind == TARGET_GPU && (only ? t->sm == gpu->sm : t->sm <= gpu->sm) && (!best || t->sm >= best->sm))
			best = t;
	}
	if (!best)
		diag_error(d, (Span){ 0 }, "no-device", "cuda:%d: %s is an sm_%d; code can be made for sm_75 and later", gpu->number,
		           gpu->name, gpu->sm);
	return best;
}

bool
verb_on_gpu(const Options *o)
{
	return strncmp(o->device, "host", 4) != 0 && strncmp(o->device, "cpu", 3) != 0;
}

/* needs: GPU_… that a target must have, and what it has instead */
typedef struct Precision { const char *name; DType dt; bool tf32; unsigned needs; const char *instead; } Precision;

static const Precision *
precision(const char *s)
{
	static const Precision row[] = {
		{ "auto", DT_NONE, false, 0, "" }, { "f32", DT_F32, false, 0, "" }, { "fp32", DT_F32, false, 0, "" },
		{ "tf32", DT_F32, true, GPU_TF32, "f16 and f32" }, { "f16", DT_F16, false, 0, "" }, { "fp16", DT_F16, false, 0, "" },
		{ "half", DT_F16, false, 0, "" }, { "bf16", DT_BF16, false, GPU_BF16, "f16" },
	};

	for (size_t i = 0; i < COUNT(row); i++)
		if (strcmp(s, row[i].name) == 0)
			return &row[i];
	return NULL;
}

const char *
verb_code_options(const Options *o, CompileOptions *co)
{
	static const char *const cubin[] = { [CUBIN_AUTO] = "auto", [CUBIN_FALSE] = "false", [CUBIN_TRUE] = "true" };
	const char *env = getenv("YOLO12C_PRECISION"), *p = o->precision ? o->precision : env && *env ? env : "auto";
	const Target *t = co->target ? co->target : target_host();
	const Precision *row = precision(p);
	size_t i = 0;

	co->no_pdl = !o->pdl;
	co->no_lanes = !o->lanes;
	if (!row)
		return arena_printf(o->a, "precision=%s: it must be auto, f32, tf32, f16 or bf16", p);
	co->compute = row->dt;
	co->tf32 = row->tf32;
	if (t->kind == TARGET_HOST && (co->tf32 || co->compute == DT_F16 || co->compute == DT_BF16)) {
		if (o->precision)
			return arena_printf(o->a, "precision=%s: code for processors computes in f32", p);
		ui_note("YOLO12C_PRECISION=%s: code for processors computes in f32", p);
		co->compute = DT_F32;
		co->tf32 = false;
	} else if ((t->has & row->needs) != row->needs) {
		return arena_printf(o->a, "precision=%s: an %s has no %s; it has %s", p, t->name, p, row->instead);
	}
	while (i < COUNT(cubin) && strcmp(o->cubin, cubin[i]) != 0)
		i++;
	if (i == COUNT(cubin))
		return arena_printf(o->a, "cubin=%s: it must be auto, true or false", o->cubin);
	co->cubin = (CubinChoice)i;
	return tune_use(o->a, co);
}

bool
verb_compile_options(const Options *o, Diag *d, CompileOptions *co)
{
	*co = (CompileOptions){
		.model = o->model, .weights = o->weights, .scale = o->scale, .entries = entries(o->a, o->entry),
		.params = o->param.p, .nparams = o->param.n,
	};
	if (o->given[KEY_imgsz])
		co->frame[0] = o->imgsz.h, co->frame[1] = o->imgsz.w;
	if (o->given[KEY_batch])
		co->batch = (int)o->batch;
	if (o->given[KEY_max_det])
		co->max_det = (int)o->max_det;
	const char *wrong;
	y12_gpu gpu;

	if (!target(d, o->target, &co->target))
		return false;
	if (!co->target && verb_on_gpu(o) && (!verb_device(o, d, &gpu) || !(co->target = verb_target_for(d, &gpu))))
		return false;
	if ((wrong = verb_code_options(o, co)))
		diag_error(d, (Span){ 0 }, "option", "%s", wrong);
	return !wrong;
}

/* Errors that are not about what the user gave. */
static const struct { const char *slug; int code; } ours[] = {
	{ "pass-failed", EXIT_FAILED }, { "cannot-lower", EXIT_FAILED }, { "program-invalid", EXIT_FAILED },
	{ "backend-failed", EXIT_FAILED }, { "write", EXIT_FAILED }, { "run-failed", EXIT_FAILED },
	{ "device-unknown", EXIT_USAGE }, { "no-device", EXIT_RESOURCES }, { "no-memory", EXIT_RESOURCES },
};

int
verb_code(const Diag *d)
{
	if (!diag_errors(d))
		return EXIT_OK;
	for (size_t i = 0; i < diag_count(d); i++) {
		const DiagMsg *m = diag_get(d, i);

		for (size_t k = 0; k < COUNT(ours); k++)
			if (m->sev == SEV_ERROR && m->slug && strcmp(m->slug, ours[k].slug) == 0)
				return ours[k].code;
	}
	return EXIT_INPUT;
}

int
verb_end(const Diag *d)
{
	fflush(stdout);
	if (diag_count(d))
		diag_print(d, stderr, ui_color(stderr));
	return verb_code(d);
}

int
verb_usage(const Options *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ui_error("%s", arena_vprintf(o->a, fmt, ap));
	va_end(ap);
	return EXIT_USAGE;
}

bool
verb_needs_(const Options *o, const KeyId *key, size_t n)
{
	Text msg = { .a = o->a };

	if (options_need(o, key, n, &msg))
		return true;
	ui_lines(text_str(&msg));
	return false;
}

bool
ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}
