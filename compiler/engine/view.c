/* view.c -- an engine image, looked at again.
 *
 * Damage is found here by size and checksum; hostile layouts are the runtime's to refuse,
 * which every caller asks first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/program.h"
#include "runtime/core/format.h"
#include "runtime/yolo12c.h"

const char *
engine_damage(const void *image, size_t bytes)
{
	const uint8_t *im = image;
	y12e_header h;

	if (bytes < sizeof h)
		return "it is cut off";
	memcpy(&h, im, sizeof h);
	if (memcmp(h.magic, Y12E_MAGIC, 8) != 0)
		return "it is not an engine";
	if (h.version != Y12E_VERSION)
		return "it has another format version";
	if (h.file_bytes != bytes)
		return "it is cut off";
	if (y12e_checksum(im + offsetof(y12e_header, arena_bytes), bytes - offsetof(y12e_header, arena_bytes)) != h.checksum)
		return "its checksum does not fit";
	return NULL;
}

static DType
dtype_of(uint32_t t)
{
	static const DType from[] = {
		[Y12_U8] = DT_U8, [Y12_BOOL] = DT_BOOL, [Y12_I32] = DT_I32, [Y12_I64] = DT_I64,
		[Y12_F16] = DT_F16, [Y12_BF16] = DT_BF16, [Y12_F32] = DT_F32, [Y12_F64] = DT_F64,
	};

	return from[t];
}

static void
add_entry(Arena *a, EngineView *v, const y12e_entry *e, const uint8_t *im, const y12e_header *h)
{
	static const ProgArgKind kind[] = {
		[Y12E_ARENA] = PROG_ARENA, [Y12E_CONST] = PROG_CONST, [Y12E_INPUT] = PROG_INPUT, [Y12E_DIMS] = PROG_DIMS,
		[Y12E_TMAP] = PROG_TMAP,
	};
	const y12e_tensor *tensors = (const void *)(im + h->tensors.offset);
	const y12e_launch *launches = (const void *)(im + h->launches.offset);
	const y12e_arg *args = (const void *)(im + h->args.offset);
	const char *strings = (const char *)im + h->strings.offset;
	ProgEntry to = { .name = strings + e->name };

	for (uint32_t i = e->tensor; i < e->tensor + e->ntensor; i++) {
		const y12e_tensor *t = &tensors[i];
		bool placed = t->flags & (Y12E_OUTPUT | Y12E_OPTIONAL);

		vec_push(a, &to.tensor, ((ProgTensor){
			.name = strings + t->name, .type = type_of(dtype_of(t->dtype), (int)t->rank, t->dim),
			.output = t->flags & Y12E_OUTPUT, .offset = placed ? (int64_t)t->offset : -1,
		}));
	}
	for (uint32_t i = e->launch; i < e->launch + e->nlaunch; i++) {
		const y12e_launch *l = &launches[i];
		ProgLaunch x = { .kernel = l->kernel, .phase = (Phase)l->phase, .layer = strings + l->layer,
		                 .programmatic = l->flags & Y12E_PROGRAMMATIC, .lane = l->lane };

		for (uint32_t k = l->wait; k < l->wait + l->nwait; k++)
			vec_push(a, &x.after, ((const uint32_t *)(const void *)(im + h->waits.offset))[k]);

		for (uint32_t k = l->arg; k < l->arg + l->narg; k++)
			vec_push(a, &x.arg, ((ProgArg){ kind[args[k].kind], args[k].tensor, (int64_t)args[k].offset,
			                                args[k].bytes ? (int64_t)args[k].bytes : -1 }));
		vec_push(a, &to.launch, x);
	}
	vec_push(a, &v->program->entry, to);
}

EngineView *
engine_view(Arena *a, const void *image)
{
	const uint8_t *im = image;
	EngineView *v = NEW(a, EngineView);
	Program *p = v->program = program_new(a);
	const char *strings;
	y12e_header h;

	memcpy(&h, im, sizeof h);
	strings = (const char *)im + h.strings.offset;
	v->version = (int)h.version;
	p->arena_bytes = (int64_t)h.arena_bytes;
	p->const_bytes = (int64_t)h.consts.count;
	for (uint64_t i = 0; i < h.kernels.count; i++) {
		const y12e_kernel *k = (const y12e_kernel *)(im + h.kernels.offset) + i;
		Kernel *to = NEW(a, Kernel);

		to->a = a;
		to->name = strings + k->name;
		for (int j = 0; j < 3; j++) {
			to->grid[j] = (int32_t)k->grid[j];
			to->cluster[j] = k->cluster[j] ? (int32_t)k->cluster[j] : 1;
			to->block[j] = (int32_t)k->block[j];
		}
		vec_push(a, &p->kernel, to);
	}
	for (uint64_t i = 0; i < h.entries.count; i++)
		add_entry(a, v, (const y12e_entry *)(im + h.entries.offset) + i, im, &h);
	for (uint64_t i = 0; i < h.tmaps.count; i++)
		vec_push(a, &p->tmap, ((const y12e_tmap *)(im + h.tmaps.offset))[i]);
	for (uint64_t i = 0; i < h.metas.count; i++) {
		const y12e_meta *m = (const y12e_meta *)(im + h.metas.offset) + i;

		map_set(p->meta, strings + m->key, (void *)(uintptr_t)(strings + m->value));
	}
	for (uint64_t i = 0; i < h.codes.count; i++) {
		const y12e_code *c = (const y12e_code *)(im + h.codes.offset) + i;

		vec_push(a, &v->code, ((ProgCode){ .target = strings + c->target, .blob = im + c->blob.offset,
		                                   .bytes = c->blob.count, .entry = (const size_t *)(im + c->entry.offset) }));
	}
	return v;
}
