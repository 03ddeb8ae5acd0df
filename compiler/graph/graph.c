/* graph.c -- tables, building, attributes, types, order.
 *
 * Nothing here knows what an op means: that is infer.c (types) and eval*.c (values).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/graph.h"

const OpInfo op_info[OP_COUNT] = {
#define OP(name, lo, hi, fuse, effect, grad, shapes) \
	[OP_##name] = { #name, lo, hi, FUSE_##fuse, EFFECT_##effect, shapes },
#include "graph/ops.def"
#undef OP
};

const AttrInfo attr_info[ATTR_COUNT] = {
#define ATTR(name, kind) [A_##name] = { #name, ATTR_##kind },
#include "graph/attrs.def"
#undef ATTR
};

const char *const family_name[FAM_COUNT] = {
#define FAMILY(name, what) [FAM_##name] = #name,
#include "graph/families.def"
#undef FAMILY
};

OpKind
op_named(const char *name)
{
	for (int op = OP_none + 1; op < OP_COUNT; op++)
		if (!strcmp(op_info[op].name, name))
			return (OpKind)op;
	return OP_none;
}

/* ---- building ------------------------------------------------------------------ */

Graph *
graph_new(Arena *a, const char *name)
{
	Graph *g = NEW(a, Graph);

	g->a = a;
	g->name = arena_str(a, name);
	g->meta = map_new(a);
	/* number 0 means "none" in each of these */
	vec_push(a, &g->node, (Node){ 0 });
	vec_push(a, &g->group, (Group){ 0 });
	vec_push(a, &g->buf, (Buf){ 0 });
	return g;
}

#define vec_copy(a, dst, src)                                                       \
	do {                                                                        \
		if ((src)->n) {                                                     \
			vec_reserve(a, dst, (src)->n);                              \
			memcpy((dst)->p, (src)->p, (src)->n * sizeof(*(src)->p));   \
			(dst)->n = (src)->n;                                        \
		}                                                                   \
	} while (0)

static void *
copy_array(Arena *a, const void *p, size_t n, size_t size)
{
	return n ? arena_dup(a, p, n * size) : NULL;
}

Graph *
graph_clone(Arena *a, const Graph *g)
{
	Graph *h = NEW(a, Graph);

	h->a = a;
	h->name = g->name;
	h->plan = g->plan;
	vec_copy(a, &h->node, &g->node);
	vec_copy(a, &h->input, &g->input);
	vec_copy(a, &h->output, &g->output);
	vec_copy(a, &h->order, &g->order);
	vec_copy(a, &h->group, &g->group);
	vec_copy(a, &h->sched, &g->sched);
	vec_copy(a, &h->buf, &g->buf);
	for (size_t v = 0; v < h->node.n; v++) {
		Node *n = &h->node.p[v];

		n->arg = copy_array(a, n->arg, (size_t)n->narg, sizeof(*n->arg));
		n->attr = copy_array(a, n->attr, (size_t)n->nattr, sizeof(*n->attr));
	}
	h->meta = map_new(a);
	for (size_t i = 0; i < map_count(g->meta); i++)
		map_set(h->meta, map_key(g->meta, i), map_value(g->meta, i));
	return h;
}

Val
graph_add(Graph *g, OpKind op, Type t, const Val *arg, int narg)
{
	Node n = { .op = op, .type = t, .narg = narg };

	n.arg = copy_array(g->a, arg, (size_t)narg, sizeof(*arg));
	vec_push(g->a, &g->node, n);
	return (Val)(g->node.n - 1);
}

static Val
make(Graph *g, OpKind op, DType dt, const Val *arg, int narg, const Attr *attr, int nattr,
     const char **err)
{
	Type t = { .dt = dt };
	const Type **at = NEWN(g->a, const Type *, (size_t)narg + 1);

	for (int i = 0; i < narg; i++)
		at[i] = &g->node.p[arg[i]].type;
	if (!infer_type(g->a, op, at, narg, attr, nattr, &t, err))
		return 0;

	Val v = graph_add(g, op, t, arg, narg);

	for (int i = 0; i < nattr; i++)
		attr_set(g, v, attr[i]);
	return v;
}

Val
graph_make(Graph *g, OpKind op, const Val *arg, int narg, const Attr *attr, int nattr,
           const char **err)
{
	return make(g, op, DT_NONE, arg, narg, attr, nattr, err);
}

Val
graph_cast(Graph *g, Val x, DType dt)
{
	Type t = g->node.p[x].type;

	if (t.dt == dt)
		return x;
	t.dt = dt;
	return graph_add(g, OP_cast, t, &x, 1);
}

Val
graph_iota(Graph *g, DType dt, int axis, int rank, const int64_t *shape)
{
	Val v = graph_add(g, OP_iota, type_of(dt, rank, shape), NULL, 0);

	attr_set(g, v, attr_of_int(A_axis, axis));
	attr_set(g, v, attr_of_ints(g->a, A_shape, shape, rank));
	return v;
}

Val
graph_const(Graph *g, Type t, const void *data)
{
	Val v = graph_add(g, OP_const, t, NULL, 0);

	/* one byte at least: an empty constant is still known */
	void *p = arena_alloc(g->a, (size_t)type_bytes(&t) + 1);

	if (type_bytes(&t))
		memcpy(p, data, (size_t)type_bytes(&t));
	g->node.p[v].data = p;
	return v;
}

Val
graph_scalar(Graph *g, DType dt, int rank, double x)
{
	static const int64_t ones[MAX_RANK] = { 1, 1, 1, 1, 1, 1 };
	uint64_t raw = 0;

	dtype_set(dt, &raw, 0, x);
	return graph_const(g, type_of(dt, rank, ones), &raw);
}

/* ---- attributes ----------------------------------------------------------------- */

const Attr *
attr_find(const Node *n, AttrKey key)
{
	for (int i = 0; i < n->nattr; i++)
		if (n->attr[i].key == key)
			return &n->attr[i];
	return NULL;
}

int64_t
attr_int(const Node *n, AttrKey key, int64_t otherwise)
{
	const Attr *a = attr_find(n, key);

	return a ? a->i : otherwise;
}

double
attr_real(const Node *n, AttrKey key, double otherwise)
{
	const Attr *a = attr_find(n, key);

	return a ? a->r : otherwise;
}

const char *
attr_str(const Node *n, AttrKey key, const char *otherwise)
{
	const Attr *a = attr_find(n, key);

	return a ? a->s : otherwise;
}

int64_t
attr_ints(const Node *n, AttrKey key, int i, int64_t otherwise)
{
	const Attr *a = attr_find(n, key);

	return a && i < a->n ? a->v[i] : otherwise;
}

Attr
attr_of_int(AttrKey key, int64_t i)
{
	return (Attr){ .key = key, .i = i };
}

Attr
attr_of_real(AttrKey key, double r)
{
	return (Attr){ .key = key, .r = r };
}

Attr
attr_of_str(AttrKey key, const char *s)
{
	return (Attr){ .key = key, .s = s };
}

Attr
attr_of_ints(Arena *a, AttrKey key, const int64_t *v, int n)
{
	return (Attr){ .key = key, .n = n, .v = copy_array(a, v, (size_t)n, sizeof(*v)) };
}

const Graph *
attr_body(const Node *n)
{
	const Attr *a = attr_find(n, A_body);

	return a ? a->g : NULL;
}

Attr
attr_of_body(const Graph *body)
{
	return (Attr){ .key = A_body, .g = body };
}

void
attr_set(Graph *g, Val v, Attr a)
{
	Node *n = &g->node.p[v];
	int at = 0;

	while (at < n->nattr && n->attr[at].key < a.key)
		at++;
	if (at == n->nattr || n->attr[at].key != a.key) {
		Attr *wider = NEWN(g->a, Attr, (size_t)n->nattr + 1);

		for (int i = 0; i < n->nattr; i++)
			wider[i + (i >= at)] = n->attr[i];
		n->attr = wider;
		n->nattr++;
	}
	n->attr[at] = a;
}

void
attr_drop(Graph *g, Val v, AttrKey key)
{
	Node *n = &g->node.p[v];
	int kept = 0;

	for (int i = 0; i < n->nattr; i++)
		if (n->attr[i].key != key)
			n->attr[kept++] = n->attr[i];
	n->nattr = kept;
}

/* ---- types ------------------------------------------------------------------------ */

Type
type_of(DType dt, int rank, const int64_t *dim)
{
	Type t = { .dt = dt, .rank = rank };

	for (int i = 0; i < rank; i++)
		t.dim[i] = dim[i];
	return t;
}

bool
type_eq(const Type *a, const Type *b)
{
	if (a->dt != b->dt || a->rank != b->rank)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

int64_t
type_count(const Type *t)
{
	int64_t n = 1;

	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] < 0)
			return -1;
		n *= t->dim[i];
	}
	return n;
}

int64_t
type_bytes(const Type *t)
{
	int64_t n = type_count(t);

	return n < 0 ? -1 : n * dtype_info[t->dt].bytes;
}

const char *
type_text(Arena *a, const Type *t)
{
	Text x = { .a = a };

	text_put(&x, t->dt > DT_NONE && t->dt < DT_COUNT ? dtype_info[t->dt].name : "none");
	for (int i = 0; i < t->rank; i++) {
		text_put(&x, i ? "," : "[");
		if (t->dim[i] < 0)
			text_put(&x, "?");
		else
			text_printf(&x, "%lld", (long long)t->dim[i]);
	}
	if (t->rank)
		text_put(&x, "]");
	return text_str(&x);
}

void
type_strides(const Type *t, int64_t stride[MAX_RANK])
{
	int64_t s = 1;

	for (int i = MAX_RANK - 1; i >= t->rank; i--)
		stride[i] = 0;
	for (int i = t->rank - 1; i >= 0; i--) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

/* ---- walking and changing ------------------------------------------------------------ */

/* Depth first without recursion: a chain may be as long as memory allows.  A
 * cycle is cut where it closes; graph_verify is what reports it. */
typedef struct Walk {
	Graph *g;
	uint8_t *seen;
	struct { Val v; int next; } *stack;
} Walk;

static void
visit(Walk *w, Val root)
{
	size_t n = 0;

	if (w->seen[root])
		return;
	w->seen[root] = 1;
	w->stack[n].v = root;
	w->stack[n++].next = 0;
	while (n) {
		Val v = w->stack[n - 1].v;
		const Node *node = &w->g->node.p[v];

		if (w->stack[n - 1].next == node->narg) {
			vec_push(w->g->a, &w->g->order, v);
			n--;
			continue;
		}

		Val arg = node->arg[w->stack[n - 1].next++];

		if (arg && arg < w->g->node.n && !w->seen[arg]) {
			w->seen[arg] = 1;
			w->stack[n].v = arg;
			w->stack[n++].next = 0;
		}
	}
}

void
graph_order(Graph *g)
{
	size_t count = g->node.n;
	Arena *tmp = arena_new();
	uint8_t *live = NEWN(tmp, uint8_t, count);
	Val *todo = NEWN(tmp, Val, count);
	size_t n = 0;
	Walk w = { .g = g, .seen = NEWN(tmp, uint8_t, count) };

	for (size_t i = 0; i < g->output.n; i++) {
		Val v = g->output.p[i].v;

		if (v && v < count && !live[v]) {
			live[v] = 1;
			todo[n++] = v;
		}
	}
	while (n) {
		const Node *node = &g->node.p[todo[--n]];

		for (int i = 0; i < node->narg; i++) {
			Val v = node->arg[i];

			if (v && v < count && !live[v]) {
				live[v] = 1;
				todo[n++] = v;
			}
		}
	}
	w.stack = arena_array(tmp, count + 1, sizeof(*w.stack));
	g->order.n = 0;
	for (size_t i = 0; i < g->input.n; i++)
		if (g->input.p[i] && g->input.p[i] < count)
			visit(&w, g->input.p[i]);
	for (Val v = 1; v < count; v++)
		if (live[v])
			visit(&w, v);
	arena_free(tmp);
}

Graph
graph_ordered(Arena *a, const Graph *g)
{
	Graph h = *g;

	h.a = a;
	memset(&h.order, 0, sizeof(h.order));
	graph_order(&h);
	return h;
}

bool
group_comes_back(Arena *a, const Graph *g, uint32_t id)
{
	bool *after = NEWN(a, bool, g->node.n), *runs_after = NEWN(a, bool, g->group.n), again;

	/* all of a group runs after the group if any of its members needs that */
	do {
		again = false;
		graph_foreach(g, v) {
			const Node *n = graph_node(g, v);
			bool needs = n->group && runs_after[n->group];

			for (int i = 0; i < n->narg; i++)
				needs |= after[n->arg[i]] || (n->group != id && graph_node(g, n->arg[i])->group == id);
			if (needs && n->group == id)
				return true;
			if (!needs || after[v])
				continue;
			after[v] = again = true;
			if (n->group)
				runs_after[n->group] = true;
		}
	} while (again);
	return false;
}

void
graph_replace(Graph *g, Val old, Val new_)
{
	for (size_t v = 1; v < g->node.n; v++)
		for (int i = 0; i < g->node.p[v].narg && v != new_; i++)
			if (g->node.p[v].arg[i] == old)
				g->node.p[v].arg[i] = new_;
	for (size_t i = 0; i < g->output.n; i++)
		if (g->output.p[i].v == old)
			g->output.p[i].v = new_;
}

uint32_t *
graph_users(Arena *a, const Graph *g)
{
	uint32_t *users = NEWN(a, uint32_t, g->node.n);

	graph_foreach(g, v)
		for (int i = 0; i < g->node.p[v].narg; i++)
			users[g->node.p[v].arg[i]]++;
	for (size_t i = 0; i < g->output.n; i++)
		users[g->output.p[i].v]++;
	return users;
}

Graph *
module_entry(const GraphModule *m, const char *name)
{
	for (size_t i = 0; i < m->graph.n; i++)
		if (!strcmp(m->graph.p[i]->name, name))
			return m->graph.p[i];
	return NULL;
}
