/* bind.c -- tensors of a file to parameters of a graph, by name.
 *
 *     parameter  model.0.conv.weight f32[16,3,3,3]  ◀── f16[16,3,3,3] of that name
 *     parameter  model.6.gamma       f32[512]           missing in the file
 *                                    not in the model   model.6.m.0.0.attn.qkv.conv.weight
 *
 * Nothing is dropped silently: a tensor left over is an error as much as one that
 * is missing, since a network that runs without it gives wrong boxes, not none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

enum { MOST_LINES = 20 };

typedef struct Report {
	Arena *a;
	Diag *d;
	VEC(const char *) line;
	int missing, shape, extra, bound;
} Report;

static void
say(Report *r, int *count, const char *text)
{
	++*count;
	if (r->line.n < MOST_LINES)
		vec_push(r->a, &r->line, text);
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool
same_shape(const Type *t, const WTensor *w)
{
	if (t->rank != w->rank)
		return false;
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] != w->dim[i])
			return false;
	return true;
}

/* A file may hold what a model computes: the counter of batch norm, which only a
 * cumulative average reads, and the DFL weight, if it is what it always is. */
static bool
needs_no_partner(const WTensor *t)
{
	if (ends_with(t->name, ".num_batches_tracked"))
		return true;
	if (!ends_with(t->name, ".dfl.conv.weight"))
		return false;
	for (size_t i = 0; i < t->count; i++)
		if (dtype_get(t->dt, t->data, i) != (double)i)
			return false;
	return true;
}

/* The same signs that tell what a file is tell what the graph wants. */
static WFamily
family_of_params(Arena *a, const Param *p, size_t n)
{
	WTensor *t = NEWN(a, WTensor, n);

	for (size_t i = 0; i < n; i++) {
		t[i].name = p[i].name ? p[i].name : "";
		t[i].rank = p[i].type.rank;
		for (int k = 0; k < t[i].rank; k++)
			t[i].dim[k] = p[i].type.dim[k];
	}
	return family_of(t, n);
}

/* Why it does not fit, in one sentence, if the signs say so. */
static void
explain(Report *r, const Weights *w, const WFamily *want)
{
	const WFamily *f = &w->family;

	if (f->folded && !want->folded)
		diag_note(r->d, (Span){0}, "the file holds folded weights (conv.bias, no bn): its batch norms are gone, "
		          "and this model has them; take the checkpoint that the file was exported from");
	else if (f->kin != want->kin && want->kin != KIN_UNKNOWN && kin_info[f->kin].model)
		diag_note(r->d, (Span){0}, "this is a %s: write model=%s%s", kin_info[f->kin].says, kin_info[f->kin].model,
		          f->scale ? arena_printf(r->a, " scale=%c", f->scale) : "");
	else if (f->kin != want->kin && want->kin != KIN_UNKNOWN)
		diag_note(r->d, (Span){0}, "this is a %s", kin_info[f->kin].says);
	else if (f->scale != want->scale && f->scale && want->scale)
		diag_note(r->d, (Span){0}, "the file is of scale %c, the model of scale %c: use scale=%c",
		          f->scale, want->scale, f->scale);
	else if (f->nc != want->nc && f->nc && want->nc)
		diag_note(r->d, (Span){0}, "the file has %d classes, the model %d: use classes=%d, or train from the file",
		          f->nc, want->nc, f->nc);
}

static bool
tell(Report *r, size_t n, const Weights *w, BindMode mode, const WFamily *want)
{
	int wrong = r->missing + r->shape + r->extra;

	if (wrong == 0)
		return true;
	const char *text = arena_printf(r->a,
		"%s does not fit the model: of %zu parameters %d are in the file, %d have another shape there, "
		"%d are missing; %d of its tensors have no place in the model",
		w->path, n, r->bound, r->shape, r->missing, r->extra);
	/* a transfer that transfers nothing is a mistake, whatever was asked for */
	bool fatal = mode == BIND_ALL || r->bound == 0;
	if (fatal)
		diag_error(r->d, (Span){0}, "weights-fit", "%s", text);
	else
		diag_warning(r->d, (Span){0}, "weights-fit", "%s", text);
	explain(r, w, want);
	for (size_t i = 0; i < r->line.n; i++)
		diag_note(r->d, (Span){0}, "%s", r->line.p[i]);
	if ((size_t)wrong > r->line.n)
		diag_note(r->d, (Span){0}, "and %d more", wrong - (int)r->line.n);
	return !fatal;
}

bool
weights_bind_params(Arena *a, Param *p, size_t n, const Weights *w, BindMode mode, Diag *d)
{
	Report r = { .a = a, .d = d };
	Map *wanted = map_new(a);
	WFamily want = family_of_params(a, p, n);

	for (size_t i = 0; i < n; i++) {
		const char *name = p[i].name ? p[i].name : "(a parameter without a name)";
		const WTensor *t = weights_get(w, name);
		Type *type = &p[i].type;

		map_set(wanted, name, p);
		if (!t && ends_with(name, ".num_batches_tracked")) {
			/* a counter of training steps: nothing computes with it */
			p[i].data = arena_alloc(a, 8);
			r.bound++;
		} else if (!t) {
			say(&r, &r.missing, arena_printf(a, "missing: %s %s", name,
			    shape_text(a, type->dt, type->rank, type->dim)));
		} else if (!same_shape(type, t)) {
			say(&r, &r.shape, arena_printf(a, "%s: the model has %s, the file %s", name,
			    shape_text(a, type->dt, type->rank, type->dim),
			    shape_text(a, t->dt, t->rank, t->dim)));
		} else {
			r.bound++;
			if (t->dt == type->dt) {
				p[i].data = t->data;
			} else {
				void *data = arena_array(a, t->count, (size_t)dtype_info[type->dt].bytes);
				convert(type->dt, data, t->dt, t->data, t->count);
				p[i].data = data;
			}
		}
	}
	for (size_t i = 0; i < w->tensor.n; i++) {
		const WTensor *t = &w->tensor.p[i];
		if (!map_has(wanted, t->name) && !needs_no_partner(t))
			say(&r, &r.extra, arena_printf(a, "not in the model: %s %s", printable(a, t->name),
			    shape_text(a, t->dt, t->rank, t->dim)));
	}
	return tell(&r, n, w, mode, &want);
}

bool
weights_bind(Arena *a, GraphModule *m, const Weights *w, BindMode mode, Diag *d)
{
	VEC(Param) p = {0};
	Map *at = map_new(a);           /* name and type -> index + 1: entries share parameters */

	for (size_t k = 0; k < m->graph.n; k++) {
		Graph *g = m->graph.p[k];
		for (Val v = 1; v < g->node.n; v++) {
			const Node *node = graph_node(g, v);
			if (node->op != OP_param || (node->name && map_has(at, node->name)))
				continue;
			Param q = { node->name, node->type, NULL };
			vec_push(a, &p, q);
			if (node->name)
				map_set(at, node->name, (void *)(uintptr_t)p.n);
		}
	}
	bool ok = weights_bind_params(a, p.p, p.n, w, mode, d);
	for (size_t k = 0; k < m->graph.n; k++) {
		Graph *g = m->graph.p[k];
		for (Val v = 1; v < g->node.n; v++) {
			Node *node = graph_node(g, v);
			uintptr_t i = node->op == OP_param && node->name ? (uintptr_t)map_get(at, node->name) : 0;
			if (i && p.p[i - 1].data)
				node->data = p.p[i - 1].data;
		}
	}
	return ok;
}
