/* image.c -- a program and its code as one engine image (runtime/core/format.h).
 *
 * Sections are laid out first and filled in one pass; strings are shared.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/consts.h"
#include "runtime/core/format.h"
#include "runtime/yolo12c.h"

typedef struct Strings { Arena *a; Text text; Map *at; } Strings;

static uint32_t
string(Strings *s, const char *x)
{
	uintptr_t at;

	if (!*x)
		return 0;
	at = (uintptr_t)map_get(s->at, x);
	if (!at) {
		at = s->text.n;
		text_putn(&s->text, x, strlen(x) + 1);
		map_set(s->at, x, (void *)at);
	}
	return (uint32_t)at;
}

uint32_t
program_dtype(DType t)
{
	static const uint32_t to[DT_COUNT] = {
		[DT_U8] = Y12_U8, [DT_BOOL] = Y12_BOOL, [DT_I32] = Y12_I32, [DT_I64] = Y12_I64,
		[DT_F16] = Y12_F16, [DT_BF16] = Y12_BF16, [DT_F32] = Y12_F32, [DT_F64] = Y12_F64,
	};

	return to[t];
}

static uint64_t
up(uint64_t x, uint64_t align)
{
	return (x + align - 1) / align * align;
}

typedef struct Layout { uint64_t at; } Layout;

static y12e_range
section(Layout *l, uint64_t count, uint64_t size, uint64_t align)
{
	y12e_range r = { up(l->at, align), count };

	l->at = r.offset + count * size;
	return r;
}

void *
engine_image(Arena *a, const Program *p, const ProgCode *code, size_t ncode, size_t *bytes)
{
	Strings s = { .a = a, .text = { .a = a }, .at = map_new(a) };
	y12e_header h = { .version = Y12E_VERSION };
	Layout lay = { sizeof h };
	size_t tensors = 0, launches = 0, args = 0, waits = 0, t = 0, l = 0, g = 0, w = 0;
	y12e_code *codes = NEWN(a, y12e_code, ncode);
	uint8_t *im;

	text_putn(&s.text, "", 1);
	for (size_t i = 0; i < p->entry.n; i++) {
		const ProgEntry *e = &p->entry.p[i];

		string(&s, e->name);
		tensors += e->tensor.n;
		launches += e->launch.n;
		for (size_t j = 0; j < e->tensor.n; j++)
			string(&s, e->tensor.p[j].name);
		for (size_t j = 0; j < e->launch.n; j++) {
			args += e->launch.p[j].arg.n;
			waits += e->launch.p[j].after.n;
			string(&s, e->launch.p[j].layer);
		}
	}
	for (size_t i = 0; i < p->kernel.n; i++)
		string(&s, p->kernel.p[i]->name);
	for (size_t i = 0; i < ncode; i++)
		string(&s, code[i].target);
	for (size_t i = 0; i < map_count(p->meta); i++) {
		string(&s, map_key(p->meta, i));
		string(&s, map_value(p->meta, i));
	}

	memcpy(h.magic, Y12E_MAGIC, 8);
	h.arena_bytes = up((uint64_t)p->arena_bytes, Y12E_ALIGN);
	h.strings = section(&lay, s.text.n, 1, 8);
	h.tensors = section(&lay, tensors, sizeof(y12e_tensor), 8);
	h.entries = section(&lay, p->entry.n, sizeof(y12e_entry), 8);
	h.launches = section(&lay, launches, sizeof(y12e_launch), 8);
	h.args = section(&lay, args, sizeof(y12e_arg), 8);
	h.kernels = section(&lay, p->kernel.n, sizeof(y12e_kernel), 8);
	h.metas = section(&lay, map_count(p->meta), sizeof(y12e_meta), 8);
	h.codes = section(&lay, ncode, sizeof(y12e_code), 8);
	for (size_t i = 0; i < ncode; i++) {
		codes[i].target = string(&s, code[i].target);
		codes[i].entry = section(&lay, p->kernel.n, 8, 8);
	}
	for (size_t i = 0; i < ncode; i++)
		codes[i].blob = section(&lay, code[i].bytes, 1, Y12E_PAGE);
	h.waits = section(&lay, waits, 4, 8);
	h.tmaps = section(&lay, p->tmap.n, sizeof(y12e_tmap), 8);
	h.consts = section(&lay, (uint64_t)p->const_bytes, 1, Y12E_ALIGN);
	h.file_bytes = up(lay.at, 8);

	im = arena_alloc(a, h.file_bytes + Y12E_ALIGN);
	im += (Y12E_ALIGN - (uintptr_t)im % Y12E_ALIGN) % Y12E_ALIGN;
	memcpy(im + h.strings.offset, s.text.p, s.text.n);
	for (size_t i = 0; i < p->entry.n; i++) {
		const ProgEntry *e = &p->entry.p[i];
		y12e_entry *ee = (y12e_entry *)(im + h.entries.offset) + i;

		*ee = (y12e_entry){ string(&s, e->name), 0, (uint32_t)t, (uint32_t)e->tensor.n, (uint32_t)l, (uint32_t)e->launch.n };
		for (size_t j = 0; j < e->tensor.n; j++, t++) {
			const ProgTensor *x = &e->tensor.p[j];
			y12e_tensor *o = (y12e_tensor *)(im + h.tensors.offset) + t;

			o->name = string(&s, x->name);
			o->dtype = program_dtype(x->type.dt);
			o->rank = (uint32_t)x->type.rank;
			o->flags = x->output ? Y12E_OUTPUT : x->offset >= 0 ? Y12E_OPTIONAL : 0;
			o->offset = x->offset >= 0 ? (uint64_t)x->offset : 0;
			memcpy(o->dim, x->type.dim, sizeof o->dim);
		}
		for (size_t j = 0; j < e->launch.n; j++, l++) {
			const ProgLaunch *x = &e->launch.p[j];
			y12e_launch *o = (y12e_launch *)(im + h.launches.offset) + l;

			*o = (y12e_launch){ x->kernel, (uint32_t)g, (uint32_t)x->arg.n, string(&s, x->layer), (uint32_t)x->phase,
			                   x->programmatic ? Y12E_PROGRAMMATIC : 0, x->lane, (uint32_t)w, (uint32_t)x->after.n };
			for (size_t m = 0; m < x->after.n; m++)
				((uint32_t *)(im + h.waits.offset))[w++] = x->after.p[m];
			for (size_t m = 0; m < x->arg.n; m++, g++) {
				static const uint32_t kind[] = { Y12E_ARENA, Y12E_CONST, Y12E_INPUT, Y12E_DIMS, Y12E_TMAP };
				const ProgArg *y = &x->arg.p[m];

				((y12e_arg *)(im + h.args.offset))[g] = (y12e_arg){
					kind[y->kind], y->tensor, (uint64_t)y->offset, y->bytes < 0 ? 0 : (uint64_t)y->bytes };
			}
		}
	}
	for (size_t i = 0; i < p->kernel.n; i++) {
		const Kernel *k = p->kernel.p[i];
		y12e_kernel *o = (y12e_kernel *)(im + h.kernels.offset) + i;

		o->name = string(&s, k->name);
		o->narg = (uint32_t)kernel_params(k);
		for (int j = 0; j < 3; j++) {
			bool alone = k->cluster[0] * k->cluster[1] * k->cluster[2] == 1;

			o->grid[j] = (uint32_t)k->grid[j];
			o->cluster[j] = alone ? 0 : (uint32_t)k->cluster[j];
			o->block[j] = (uint32_t)k->block[j];
		}
		o->shared = (uint32_t)kernel_shared_bytes(k);
	}
	if (p->tmap.n)
		memcpy(im + h.tmaps.offset, p->tmap.p, p->tmap.n * sizeof *p->tmap.p);
	for (size_t i = 0; i < map_count(p->meta); i++)
		((y12e_meta *)(im + h.metas.offset))[i] =
			(y12e_meta){ string(&s, map_key(p->meta, i)), string(&s, map_value(p->meta, i)) };
	for (size_t i = 0; i < ncode; i++) {
		((y12e_code *)(im + h.codes.offset))[i] = codes[i];
		memcpy(im + codes[i].blob.offset, code[i].blob, code[i].bytes);
		for (size_t j = 0; j < p->kernel.n; j++)
			((uint64_t *)(im + codes[i].entry.offset))[j] = code[i].entry ? code[i].entry[j] : 0;
	}
	if (p->const_bytes)
		memcpy(im + h.consts.offset, p->consts, (size_t)p->const_bytes);
	h.checksum = 0;
	memcpy(im, &h, sizeof h);
	h.checksum = y12e_checksum(im + offsetof(y12e_header, arena_bytes), h.file_bytes - offsetof(y12e_header, arena_bytes));
	memcpy(im, &h, sizeof h);
	*bytes = h.file_bytes;
	return im;
}
