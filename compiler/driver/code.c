/* code.c -- kernels to what an engine holds of them: machine code, PTX, cubins.
 *
 *     host    kernels ──▶ one blob
 *     GPU     kernels ──▶ PTX, a module for each ─┬─▶ ptxas, if there is one ──▶ cubins ─┬─▶ engine
 *                                                 └──────────────────────────────────────┘
 *
 * A module for each kernel: ptxas makes a hundred of them at once where one of a hundred
 * kernels takes it 8 s, and the driver, where it has to compile PTX, keeps what it made of each, so
 * that networks share what they have in common.
 *
 * Beside the cubins the PTX stays in the engine for GPUs to come, except where its target has features of one
 * machine only (sm_90a): no other will ever read it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "backend/backend.h"
#include "driver/inner.h"

enum { MODULE_ALIGN = 64 };

/* The tests' driver runs kernels as they are, and knows them by this (tests/cuda/standin.h). */
static const char KIR_HEAD[] = "// y12-kir\n";

bool
code_is_kir(void)
{
	const char *s = getenv("Y12_TEST_KIR");

	return s && *s && strcmp(s, "0") != 0;
}

bool
code_wants_cubin(Arena *a, const CompileOptions *o)
{
	return target_of(o)->kind == TARGET_GPU && !code_is_kir() &&
	       (o->cubin == CUBIN_TRUE || (o->cubin == CUBIN_AUTO && ptxas_path(a)));
}

/* Modules back to back; entry[i]: where that of kernel i begins. */
static ProgCode
join(Arena *a, const Target *t, const Cubin *module, size_t n)
{
	size_t *entry = NEWN(a, size_t, n + 1), bytes = 0;
	uint8_t *blob;

	for (size_t i = 0; i < n; i++) {
		entry[i] = bytes;
		bytes += (module[i].bytes + MODULE_ALIGN - 1) / MODULE_ALIGN * MODULE_ALIGN;
	}
	blob = arena_alloc(a, bytes + 1);
	memset(blob, 0, bytes);
	for (size_t i = 0; i < n; i++)
		memcpy(blob + entry[i], module[i].p, module[i].bytes);
	return (ProgCode){ .target = t->name, .blob = blob, .bytes = bytes, .entry = entry };
}

static void
kernel_texts(Arena *a, Kernel *const *k, size_t n, const char **text)
{
	for (size_t i = 0; i < n; i++) {
		char *s = NULL;
		size_t len;
		FILE *f = open_memstream(&s, &len);

		fputs(KIR_HEAD, f);
		kernel_print(f, k[i]);
		fclose(f);
		text[i] = arena_str(a, s);
		free(s);
	}
}

static bool
ptx_texts(Arena *a, const Target *t, Program *p, const NvOptions *no, const char **text, bool *cached, const char **err)
{
	NvCode code;

	if (!nvptx_compile(a, t, p->kernel.p, p->kernel.n, no, &code, err))
		return false;
	memcpy(text, code.ptx, p->kernel.n * sizeof *text);
	*cached = code.cached;
	/* Such kernels wait for the one before them by themselves, so that each may be launched early. */
	for (size_t i = 0; i < p->entry.n && no->pdl; i++)
		for (size_t j = 0; j < p->entry.p[i].launch.n; j++)
			p->entry.p[i].launch.p[j].programmatic = true;
	return true;
}

static size_t
gpu_code(Arena *a, const CompileOptions *o, Compiled *c, ProgCode code[2], const char **err)
{
	const Target *t = target_of(o);
	size_t n = c->program->kernel.n, ncode = 0, len = strlen(t->name);
	const char **text = NEWN(a, const char *, n + 1);
	Cubin *cubin = NEWN(a, Cubin, n + 1), *ptx = NEWN(a, Cubin, n + 1);
	NvOptions no = { .threads = o->threads, .cache_dir = o->cache_dir, .pdl = !o->no_pdl && t->has & GPU_PDL };
	bool assemble = code_wants_cubin(a, o);

	if (code_is_kir())
		kernel_texts(a, c->program->kernel.p, n, text);
	else if (!ptx_texts(a, t, c->program, &no, text, &c->code_cached, err))
		return 0;
	if (assemble) {
		if (!ptx_assemble(a, t, text, n, &no, cubin, NULL, err))
			return 0;
		code[ncode++] = join(a, t, cubin, n);
	}
	if (!assemble || t->name[len - 1] != 'a') {
		for (size_t i = 0; i < n; i++)
			ptx[i] = (Cubin){ text[i], strlen(text[i]) + 1 };
		code[ncode++] = join(a, t, ptx, n);
	}
	return ncode;
}

static size_t
host_code(Arena *a, const CompileOptions *o, Compiled *c, ProgCode *code, const char **err)
{
	HostOptions ho = { .threads = o->threads, .cache_dir = o->cache_dir };
	HostCode made;

	if (!host_compile(a, target_of(o), c->program->kernel.p, c->program->kernel.n, &ho, &made, err))
		return 0;
	c->code_cached = made.cached;
	*code = (ProgCode){ .target = target_of(o)->name, .blob = made.code, .bytes = made.bytes, .entry = made.entry };
	return 1;
}

bool
compile_code(Arena *a, Diag *d, const CompileOptions *o, Compiled *c)
{
	double start = stage_clock();
	const char *err = NULL;
	ProgCode code[2];
	size_t n = target_of(o)->kind == TARGET_GPU ? gpu_code(a, o, c, code, &err) : host_code(a, o, c, code, &err);

	if (!n)
		return diag_error(d, (Span){ 0 }, "backend-failed", "%s", err), false;
	stage_done(c, "code", start);

	start = stage_clock();
	c->image = engine_image(a, c->program, code, n, &c->image_bytes);
	stage_done(c, "engine", start);
	return true;
}
