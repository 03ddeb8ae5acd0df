/* program.c -- gathers kernels, launches and constants from planned graphs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/program.h"
#include "engine/consts.h"

const char *const phase_name[3] = { "pre", "net", "post" };

Program *
program_new(Arena *a)
{
	Program *p = NEW(a, Program);

	p->a = a;
	p->meta = map_new(a);
	p->kernel_of = map_new(a);
	p->const_of = map_new(a);
	return p;
}

/* offset of these bytes among the constants; equal ones share it */
static int64_t
add_const(Program *p, const void *data, int64_t bytes)
{
	char key[64];
	int64_t at;
	void *seen;

	hash_hex(key, data, (size_t)bytes);
	snprintf(key + 32, sizeof key - 32, ":%" PRId64, bytes);
	if ((seen = map_get(p->const_of, key)))
		return (intptr_t)seen - 1;
	at = (p->const_bytes + CONST_ALIGN - 1) / CONST_ALIGN * CONST_ALIGN;
	consts_reserve(p, at + bytes);
	memcpy(p->consts + at, data, (size_t)bytes);
	p->const_bytes = at + bytes;
	map_set(p->const_of, key, (void *)(intptr_t)(at + 1));
	return at;
}

void
consts_reserve(Program *p, int64_t need)
{
	uint8_t *q;

	if (need <= p->const_cap)
		return;
	p->const_cap = MAX(need, 2 * p->const_cap);
	q = arena_alloc(p->a, (size_t)p->const_cap + CONST_ALIGN);
	q += (CONST_ALIGN - (uintptr_t)q % CONST_ALIGN) % CONST_ALIGN;
	if (p->const_bytes)
		memcpy(q, p->consts, (size_t)p->const_bytes);
	p->consts = q;
}

bool
program_add_entry(Program *p, const Graph *g, uint32_t *entry, const char **err)
{
	ProgEntry e = { .name = g->name };

	*entry = (uint32_t)p->entry.n;
	for (size_t i = 0; i < g->input.n; i++) {
		const Node *n = graph_node(g, g->input.p[i]);
		ProgTensor t = { .name = n->name, .type = n->type, .offset = -1 };

		if (n->data)
			t.offset = add_const(p, n->data, type_bytes(&n->type));
		vec_push(p->a, &e.tensor, t);
	}
	for (size_t i = 0; i < g->output.n; i++) {
		const Node *n = graph_node(g, g->output.p[i].v);
		const Buf *b = &g->buf.p[n->place.buf];

		for (size_t j = 0; j < e.tensor.n; j++)
			if (strcmp(e.tensor.p[j].name, g->output.p[i].name) == 0) {
				*err = arena_printf(p->a, "entry %s: two of its inputs and outputs are called %s; "
				                    "give one another name", g->name, g->output.p[i].name);
				return false;
			}
		if (b->kind != BUF_ARENA) {
			*err = arena_printf(p->a, "entry %s: output %s is not in the arena", g->name, g->output.p[i].name);
			return false;
		}
		vec_push(p->a, &e.tensor, ((ProgTensor){
			.name = g->output.p[i].name, .type = n->type, .output = true,
			.offset = b->offset + n->place.offset * dtype_info[n->type.dt].bytes,
		}));
	}
	/* constants that kernels read: known by their buffers */
	for (size_t i = 1; i < g->buf.n; i++) {
		const Buf *b = &g->buf.p[i];
		const Node *n;

		if (b->kind != BUF_CONST)
			continue;
		n = graph_node(g, b->owner);
		if (!n->data) {
			*err = arena_printf(p->a, "entry %s: %s has no values: no weights were given", g->name,
			                    n->name ? n->name : "a constant");
			return false;
		}
		add_const(p, n->data, type_bytes(&n->type));
	}
	p->arena_bytes = MAX(p->arena_bytes, g->plan.peak);
	for (size_t i = 0; g->meta && i < map_count(g->meta); i++)
		map_set(p->meta, map_key(g->meta, i), map_value(g->meta, i));
	vec_push(p->a, &p->entry, e);
	return true;
}

/* a kernel's text with its name blanked, by which equal kernels are found */
static const char *
anonymous_text(Arena *a, Kernel *k)
{
	const char *name = k->name;
	char *text = NULL, *copy, hex[33];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	k->name = "k";
	kernel_print(f, k);
	fclose(f);
	k->name = name;
	hash_hex(hex, text, len);
	copy = arena_str(a, hex);
	free(text);
	return copy;
}

ProgLaunch *
program_add_launch(Program *p, uint32_t entry, Kernel *k, Phase phase, const char *layer)
{
	ProgEntry *e = &p->entry.p[entry];
	const char *text = anonymous_text(p->a, k);
	uintptr_t seen = (uintptr_t)map_get(p->kernel_of, text);
	ProgLaunch l = { .phase = phase, .layer = layer ? layer : "" };

	if (!seen) {
		const char *base = k->name;

		for (int i = 2, clash = 1; clash; i++) {
			clash = 0;
			for (size_t j = 0; j < p->kernel.n && !clash; j++)
				clash = strcmp(p->kernel.p[j]->name, k->name) == 0;
			if (clash)
				k->name = arena_printf(p->a, "%s_v%d", base, i);
		}
		vec_push(p->a, &p->kernel, k);
		seen = p->kernel.n;
		map_set(p->kernel_of, text, (void *)seen);
	}
	l.kernel = (uint32_t)seen - 1;
	vec_push(p->a, &e->launch, l);
	return &e->launch.p[e->launch.n - 1];
}

static uint32_t
input_number(const Graph *g, Val v)
{
	for (size_t i = 0; i < g->input.n; i++)
		if (g->input.p[i] == v)
			return (uint32_t)i;
	return 0;
}

ProgArg
program_value(const Program *p, uint32_t entry, const Graph *g, Val v)
{
	const Node *n = graph_node(g, v);
	const Buf *b = &g->buf.p[n->place.buf];
	int size = dtype_info[n->type.dt].bytes;
	int64_t last = 0, at = n->place.offset * size;

	(void)entry;
	for (int i = 0; i < n->type.rank; i++) {
		if (n->type.dim[i] < 0)
			return (ProgArg){ PROG_INPUT, input_number(g, b->owner), 0, -1 };
		last += (n->type.dim[i] - 1) * n->place.stride[i];
	}
	last = (last + 1) * size;
	if (b->kind == BUF_INPUT)
		return (ProgArg){ PROG_INPUT, input_number(g, b->owner), at, last };
	if (b->kind == BUF_CONST) {
		const Node *o = graph_node(g, b->owner);
		char key[64];
		int64_t bytes = type_bytes(&o->type);

		hash_hex(key, o->data, (size_t)bytes);
		snprintf(key + 32, sizeof key - 32, ":%" PRId64, bytes);
		return (ProgArg){ PROG_CONST, 0, (intptr_t)map_get(p->const_of, key) - 1 + at, last };
	}
	return (ProgArg){ PROG_ARENA, 0, b->offset + at, last };
}

ProgArg
program_dims(const Program *p, uint32_t entry, const Graph *g, Val v)
{
	const Node *n = graph_node(g, v);

	(void)p, (void)entry;
	return (ProgArg){ PROG_DIMS, input_number(g, g->buf.p[n->place.buf].owner), 0, 8 * n->type.rank };
}

ProgArg
program_tmap(Program *p, uint32_t entry, const Graph *g, Val v, const KBuf *b)
{
	static const uint32_t place[] = { [PROG_ARENA] = Y12E_ARENA, [PROG_CONST] = Y12E_CONST, [PROG_INPUT] = Y12E_INPUT };
	ProgArg at = program_value(p, entry, g, v);
	const KTmap *m = b->map;
	int size = dtype_info[b->dt].bytes;
	size_t i = 0;
	y12e_tmap t;

	memset(&t, 0, sizeof t);
	t.kind = m->im2col ? Y12E_IM2COL : Y12E_TILE;
	t.dtype = program_dtype(b->dt);
	t.rank = (uint32_t)m->rank;
	t.swizzle = (uint32_t)m->swizzle;
	t.place = place[at.kind];
	t.tensor = at.tensor;
	t.offset = (uint64_t)at.offset;
	for (int d = 0; d < m->rank; d++) {
		t.dim[d] = (uint64_t)m->dim[d];
		t.step[d] = (uint32_t)m->step[d];
		t.box[d] = (uint32_t)m->box[d];
		if (d > 0)
			t.stride[d - 1] = (uint64_t)(m->stride[d] * size);
	}
	for (int d = 0; d < 3; d++)
		t.lower[d] = m->lower[d], t.upper[d] = m->upper[d];
	t.channels = (uint32_t)m->channels;
	t.pixels = (uint32_t)m->pixels;
	while (i < p->tmap.n && memcmp(&p->tmap.p[i], &t, sizeof t) != 0)
		i++;
	if (i == p->tmap.n)
		vec_push(p->a, &p->tmap, t);
	return (ProgArg){ PROG_TMAP, (uint32_t)i, 0, b->count * size };
}

ProgArg
program_work(const Program *p, const Graph *g, uint32_t group, int64_t offset, int64_t bytes)
{
	(void)p;
	return (ProgArg){ PROG_ARENA, 0, g->buf.p[g->group.p[group].work_buf].offset + offset, bytes };
}

static const char *
tmap_problem(const Program *p, const ProgEntry *e, const ProgArg *x)
{
	const y12e_tmap *t;
	uint64_t reach, limit;
	const char *wrong;

	if (x->tensor >= p->tmap.n)
		return "the number of a tensor map";
	t = &p->tmap.p[x->tensor];
	if ((wrong = y12e_tmap_wrong(t, &reach)))
		return wrong;
	if (t->place == Y12E_INPUT) {
		int64_t bytes = t->tensor < e->tensor.n && !e->tensor.p[t->tensor].output
		              ? type_bytes(&e->tensor.p[t->tensor].type) : -1;

		if (bytes < 0)
			return "a tensor map's input";
		limit = (uint64_t)bytes;
	} else {
		limit = (uint64_t)(t->place == Y12E_ARENA ? p->arena_bytes : p->const_bytes);
	}
	return t->offset > limit || reach > limit - t->offset ? "a tensor map's place" : NULL;
}

bool
program_verify(const Program *p, const char **err)
{
	for (size_t i = 0; i < p->kernel.n; i++)
		if (!kernel_verify(p->kernel.p[i], err)) {
			*err = arena_printf(p->a, "kernel %s: %s", p->kernel.p[i]->name, *err);
			return false;
		}
	for (size_t i = 0; i < p->entry.n; i++) {
		const ProgEntry *e = &p->entry.p[i];

		for (size_t j = 0; j < e->launch.n; j++) {
			const ProgLaunch *l = &e->launch.p[j];
			const Kernel *k;
			const char *what = NULL;

			if (l->kernel >= p->kernel.n) {
				*err = arena_printf(p->a, "entry %s, launch %zu: no such kernel", e->name, j);
				return false;
			}
			k = p->kernel.p[l->kernel];
			if (l->arg.n != kernel_params(k))
				what = "number of arguments";
			if (l->lane >= Y12E_LANES)
				what = "the lane";
			for (size_t m = 0; m < l->after.n; m++)
				if (l->after.p[m] >= j || e->launch.p[l->after.p[m]].lane == l->lane)
					what = "what it runs after";
			for (size_t m = 0; m < l->arg.n && !what; m++) {
				const ProgArg *x = &l->arg.p[m];
				const KBuf *b = &k->buf.p[m];
				int64_t need = b->count < 0 ? -1 : b->count * dtype_info[b->dt].bytes;
				int64_t limit = x->kind == PROG_ARENA ? p->arena_bytes
				              : x->kind == PROG_CONST ? p->const_bytes : INT64_MAX;

				if (x->kind == PROG_TMAP) {
					what = tmap_problem(p, e, x);
					continue;
				}
				if (x->offset < 0 || x->bytes > limit - x->offset)
					what = "an argument's place";
				else if (need >= 0 && x->bytes >= 0 && need > x->bytes)
					what = "an argument smaller than the kernel's buffer";
				else if (b->out && x->kind != PROG_ARENA)
					what = "an output that is not in the arena";
				else if ((x->kind == PROG_INPUT || x->kind == PROG_DIMS) &&
				         (x->tensor >= e->tensor.n || e->tensor.p[x->tensor].output))
					what = "an input";
				else if (b->align > 1 && x->offset % MIN(b->align, 64))
					what = "an argument's alignment";
			}
			if (what) {
				*err = arena_printf(p->a, "entry %s, launch %zu of %s: %s does not fit", e->name, j, k->name, what);
				return false;
			}
		}
	}
	return true;
}
