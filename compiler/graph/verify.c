/* verify.c -- everything that must hold, at whatever stage the graph is in.
 *
 *   always           arguments exist and come first, types are what infer_type finds
 *   once grouped     each value is made by one group, is a view or a join; a group
 *                    has one way out, or two if it is a chain
 *   once scheduled   what a group reads is made before it runs
 *   once planned     each place is inside its buffer, views and joins share storage as
 *                    they say, and nothing that lives is overwritten
 *
 * The plan is checked from the schedule alone: who reads what and when is found
 * again here, and whether two values share a byte is solved, not believed:
 *
 *     u = {a + s1 x1 + s2 x2 ..}  and  v = {b + t1 y1 + ..}  share a byte
 *     iff  s1 x1 + s2 x2 + .. - t1 y1 - ..  =  b - a  has a solution within the dims
 *
 * which takes a handful of steps, since strides are nested.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "graph/graph.h"

/* No sum of a few strides, in bytes, overflows below this. */
#define STRIDE_MAX (INT64_C(1) << 48)

typedef struct Verify {
	const Graph *g;
	Arena *a;               /* for this check alone */
	Graph ordered;          /* g with an order of our own */
	const char **err;
	int32_t *step;          /* of a group in the schedule; -1: not in it */
	int32_t *def, *last;    /* by value: made at, last read at; -1: before the first step */
	bool *outside;          /* by value: read outside its group */
	uint32_t *first_reader; /* by value v: reader[first_reader[v]] .. reader[first_reader[v + 1]] */
	Val *reader;
} Verify;

__attribute__((format(printf, 2, 3))) static bool
no(Verify *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*c->err = arena_vprintf(c->g->a, fmt, ap);
	va_end(ap);
	return false;
}

static const Node *
node(const Verify *c, Val v)
{
	return &c->g->node.p[v];
}

/* "%9 "model.0.conv" conv2d" */
static const char *
who(const Verify *c, Val v)
{
	const Node *n = node(c, v);
	const char *op = n->op > OP_none && n->op < OP_COUNT ? op_info[n->op].name : "hole";

	return n->name ? arena_printf(c->a, "%%%u \"%s\" (%s)", v, n->name, op) :
		arena_printf(c->a, "%%%u (%s)", v, op);
}

static bool
exists(const Verify *c, Val v)
{
	return v && v < c->g->node.n && node(c, v)->op > OP_none && node(c, v)->op < OP_COUNT;
}

static bool
is_source(const Node *n)
{
	return op_info[n->op].effect == EFFECT_SOURCE;
}

/* ---- nodes ------------------------------------------------------------------------- */

static bool
check_ends(Verify *c)
{
	const Graph *g = c->g;

	for (size_t i = 0; i < g->input.n; i++) {
		Val v = g->input.p[i];

		if (!exists(c, v) || node(c, v)->op != OP_input)
			return no(c, "input %zu is %%%u, which is no input", i, v);
		if (!node(c, v)->name)
			return no(c, "input %%%u has no name", v);
		for (size_t j = 0; j < i; j++)
			if (g->input.p[j] == v || !strcmp(node(c, g->input.p[j])->name, node(c, v)->name))
				return no(c, "two inputs are called %s", node(c, v)->name);
	}
	for (size_t i = 0; i < g->output.n; i++) {
		if (!exists(c, g->output.p[i].v))
			return no(c, "output %zu is %%%u, which does not exist", i, g->output.p[i].v);
		for (size_t j = 0; j < i; j++)
			if (g->output.p[i].name && g->output.p[j].name &&
			    !strcmp(g->output.p[i].name, g->output.p[j].name))
				return no(c, "two outputs are called %s", g->output.p[i].name);
	}
	return true;
}

static bool
check_node(Verify *c, Val v)
{
	const Node *n = node(c, v);
	const Type **arg = NEWN(c->a, const Type *, (size_t)n->narg + 1);
	const char *why;
	Type t = n->type;

	if (!exists(c, v))
		return no(c, "%%%u is used, but is a hole", v);
	for (int i = 0; i < n->narg; i++) {
		if (!exists(c, n->arg[i]))
			return no(c, "%s: argument %d is %%%u, which does not exist", who(c, v), i + 1, n->arg[i]);
		arg[i] = &node(c, n->arg[i])->type;
	}
	for (int i = 1; i < n->nattr; i++)
		if (n->attr[i - 1].key >= n->attr[i].key)
			return no(c, "%s: attributes are not sorted", who(c, v));
	if (!infer_type(c->a, n->op, arg, n->narg, n->attr, n->nattr, &t, &why))
		return no(c, "%s: %s", who(c, v), why);
	if (!type_eq(&t, &n->type))
		return no(c, "%s: its type is %s, but its arguments make %s", who(c, v),
		          type_text(c->a, &n->type), type_text(c->a, &t));
	if (attr_body(n) && !graph_verify(attr_body(n), &why))
		return no(c, "%s: its body: %s", who(c, v), why);
	if (n->data && !is_source(n))
		return no(c, "%s: has values, but is computed", who(c, v));
	if (n->keep > KEEP_JOIN || (n->keep != KEEP_GROUP && is_source(n)))
		return no(c, "%s: cannot be kept that way", who(c, v));
	if (n->op == OP_input) {
		for (size_t i = 0; i < c->g->input.n; i++)
			if (c->g->input.p[i] == v)
				return true;
		return no(c, "%s: is not among the inputs", who(c, v));
	}
	return true;
}

static bool
check_nodes(Verify *c)
{
	size_t *at = NEWN(c->a, size_t, c->g->node.n);

	for (size_t i = 0; i < c->ordered.order.n; i++) {
		Val v = c->ordered.order.p[i];

		if (!check_node(c, v))
			return false;
		at[v] = i + 1;
		/* the order is right unless a cycle was cut to make it */
		for (int k = 0; k < node(c, v)->narg; k++)
			if (!at[node(c, v)->arg[k]])
				return no(c, "%s: depends on itself", who(c, v));
	}
	return true;
}

/* ---- groups ------------------------------------------------------------------------ */

static bool
is_grouped(Verify *c)
{
	for (size_t i = 1; i < c->g->group.n; i++)
		if (c->g->group.p[i].family != FAM_none)
			return true;
	graph_foreach(&c->ordered, v)
		if (node(c, v)->group || node(c, v)->keep != KEEP_GROUP)
			return true;
	return c->g->sched.n > 0;
}

/* Is v in memory: a source, an out of its group, or a view or join of such? */
static bool
in_memory(const Verify *c, Val v)
{
	const Node *n = node(c, v);

	return !n->group || group_writes(&c->g->group.p[n->group], v);
}

static bool
check_keep(Verify *c, Val v)
{
	const Node *n = node(c, v);

	if (n->group >= c->g->group.n ||
	    (n->group && (c->g->group.p[n->group].family <= FAM_none ||
	                  c->g->group.p[n->group].family >= FAM_COUNT)))
		return no(c, "%s: is in group @%u, which does not exist", who(c, v), n->group);
	if (n->group && (is_source(n) || n->keep != KEEP_GROUP))
		return no(c, "%s: no kernel makes it, but it is in group @%u", who(c, v), n->group);
	if (!n->group && !is_source(n) && n->keep == KEEP_GROUP)
		return no(c, "%s: is made by no group, and is no view or join", who(c, v));
	if (n->keep == KEEP_JOIN && n->op != OP_concat)
		return no(c, "%s: only a concat can be a join", who(c, v));
	if (n->keep == KEEP_VIEW && n->op != OP_slice && n->op != OP_reshape &&
	    n->op != OP_permute && n->op != OP_broadcast)
		return no(c, "%s: cannot be a view", who(c, v));
	return true;
}

/* One way out: whatever is read outside the group is its out (or a chain's also).  As every live value is read,
 * following the readers of a group's value must then end at the out, so the group is
 * connected, and no path can leave it and come back.  Where there are two ways out, that is looked for. */
static bool
check_groups(Verify *c)
{
	const Graph *g = c->g;

	graph_foreach(&c->ordered, v)
		if (!check_keep(c, v))
			return false;
	for (uint32_t i = 1; i < g->group.n; i++) {
		const Group *p = &g->group.p[i];

		if (p->family == FAM_none)
			continue;
		if (p->family >= FAM_COUNT)
			return no(c, "group @%u: its family does not exist", i);
		if (!exists(c, p->root) || node(c, p->root)->group != i)
			return no(c, "group @%u: its root %%%u is not in it", i, p->root);
		if (!exists(c, p->out) || node(c, p->out)->group != i)
			return no(c, "group @%u: its out %%%u is not in it", i, p->out);
		if (p->also && (p->family != FAM_chain || !exists(c, p->also) || node(c, p->also)->group != i || p->also == p->out))
			return no(c, "group @%u: %%%u can't be what it writes besides its out", i, p->also);
		if (p->also && group_comes_back(c->a, &c->ordered, i))
			return no(c, "group @%u: needs what is made of its %%%u or %%%u", i, p->out, p->also);
		if (p->ntile < 0 || p->ntile > TILE_MAX || p->work < 0)
			return no(c, "group @%u: tile or work is out of range", i);
	}
	graph_foreach(&c->ordered, v) {
		const Node *n = node(c, v);

		for (int k = 0; k < n->narg; k++) {
			const Node *x = node(c, n->arg[k]);

			if (x->group == n->group && n->group)
				continue;
			c->outside[n->arg[k]] = true;
			if (!in_memory(c, n->arg[k]))
				return no(c, "%s: reads %s, which group @%u keeps in registers: its out is %%%u",
				          who(c, v), who(c, n->arg[k]), x->group, g->group.p[x->group].out);
		}
	}
	for (size_t i = 0; i < g->output.n; i++) {
		Val v = g->output.p[i].v;

		c->outside[v] = true;
		if (!in_memory(c, v))
			return no(c, "output %s is in a register of group @%u: its out is %%%u", who(c, v),
			          node(c, v)->group, g->group.p[node(c, v)->group].out);
	}
	graph_foreach(&c->ordered, v)
		if (node(c, v)->group && in_memory(c, v) && !c->outside[v])
			return no(c, "%s: is the out of group @%u, but nobody outside reads it", who(c, v),
			          node(c, v)->group);
	return true;
}

/* ---- schedule ------------------------------------------------------------------------ */

static bool
check_schedule(Verify *c)
{
	const Graph *g = c->g;
	int32_t end = (int32_t)g->sched.n;

	for (size_t i = 0; i < g->group.n; i++)
		c->step[i] = -1;
	for (size_t i = 0; i < g->sched.n; i++) {
		uint32_t p = g->sched.p[i];

		if (!p || p >= g->group.n || g->group.p[p].family == FAM_none)
			return no(c, "schedule: step %zu is group @%u, which does not exist", i, p);
		if (c->step[p] >= 0)
			return no(c, "schedule: group @%u runs twice", p);
		c->step[p] = (int32_t)i;
	}
	for (uint32_t i = 1; i < g->group.n; i++)
		if (g->group.p[i].family != FAM_none && c->step[i] < 0)
			return no(c, "schedule: group @%u never runs", i);

	/* forwards: when is it there?  A view as soon as its argument, a join when all are */
	graph_foreach(&c->ordered, v) {
		const Node *n = node(c, v);

		c->def[v] = n->group ? c->step[n->group] : -1;
		for (int k = 0; k < n->narg; k++) {
			Val x = n->arg[k];

			if (!n->group)
				c->def[v] = MAX(c->def[v], c->def[x]);
			else if (node(c, x)->group != n->group && c->def[x] >= c->def[v])
				return no(c, "schedule: group @%u runs at step %d and reads %s, which is made "
				          "at step %d", n->group, c->def[v], who(c, x), c->def[x]);
		}
		c->last[v] = c->def[v];
	}
	/* backwards: how long must it stay?  As long as it, or what shares its storage, is read */
	for (size_t i = 0; i < g->output.n; i++)
		c->last[g->output.p[i].v] = end;
	for (size_t i = c->ordered.order.n; i--;) {
		Val v = c->ordered.order.p[i];
		const Node *n = node(c, v);

		for (int k = 0; k < n->narg; k++) {
			int32_t read = n->group ? c->step[n->group] : c->last[v];

			c->last[n->arg[k]] = MAX(c->last[n->arg[k]], read);
		}
	}
	return true;
}

/* ---- places --------------------------------------------------------------------------- */

static bool
is_open(const Type *t)
{
	return type_count(t) < 0;
}

/* Equal but for the strides of dims of 1, which nothing uses. */
static bool
same_strides(const Type *t, const int64_t *a, const int64_t *b)
{
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] > 1 && a[i] != b[i])
			return false;
	return true;
}

static bool
check_place(Verify *c, Val v)
{
	static const char *const kind[] = { "a hole", "in the arena", "constant", "input" };
	const Node *n = node(c, v);
	const Place *p = &n->place;
	int64_t size = dtype_info[n->type.dt].bytes, end = p->offset, term;

	if (!p->buf) {
		/* a small constant may be part of the kernels' code */
		if (n->op == OP_const || !in_memory(c, v) || !c->outside[v])
			return true;
		return no(c, "%s: has no place", who(c, v));
	}
	if (!in_memory(c, v))
		return no(c, "%s: stays in registers of group @%u, but has a place", who(c, v), n->group);
	if (p->buf >= c->g->buf.n || c->g->buf.p[p->buf].kind <= BUF_NONE || c->g->buf.p[p->buf].kind > BUF_INPUT)
		return no(c, "%s: is in buffer b%u, which does not exist", who(c, v), p->buf);

	const Buf *b = &c->g->buf.p[p->buf];
	BufKind is = n->op == OP_input ? BUF_INPUT : is_source(n) ? BUF_CONST : BUF_ARENA;

	if (n->keep == KEEP_GROUP && b->kind != is)
		return no(c, "%s: must not be in buffer b%u, which is %s", who(c, v), p->buf, kind[b->kind]);
	if (p->offset < 0)
		return no(c, "%s: begins before its buffer b%u", who(c, v), p->buf);
	if (is_open(&n->type))          /* sizes come with the picture: it has a buffer of its own */
		return (p->offset == 0 && b->bytes < 0) ||
			no(c, "%s: needs a buffer of its own whose size is not known", who(c, v));
	if (b->bytes < 0 || b->bytes > STRIDE_MAX)
		return no(c, "buffer b%u has %" PRId64 " bytes", p->buf, b->bytes);
	if (type_count(&n->type) == 0)
		return true;
	for (int i = 0; i < n->type.rank; i++)
		if (p->stride[i] < 0 || p->stride[i] > STRIDE_MAX ||
		    __builtin_mul_overflow(p->stride[i], n->type.dim[i] - 1, &term) ||
		    __builtin_add_overflow(end, term, &end))
			return no(c, "%s: stride %d is out of range", who(c, v), i);
	if (end >= b->bytes / size)
		return no(c, "%s: ends at byte %" PRId64 "*%" PRId64 " of buffer b%u, which has %" PRId64, who(c, v),
		          end + 1, size, p->buf, b->bytes);
	return true;
}

/* Strides of a reshape that moves nothing.  False: there are none. */
static bool
reshaped(const Type *x, const int64_t *xs, const Type *t, int64_t *ts)
{
	int i = 0, j = 0;

	while (i < x->rank || j < t->rank) {
		int i0 = i, j0 = j;
		int64_t m = i < x->rank ? x->dim[i++] : 1, n = j < t->rank ? t->dim[j++] : 1;

		/* the fewest dims on each side that hold the same elements */
		while (m != n)
			if (m < n)
				m *= x->dim[i++];
			else
				n *= t->dim[j++];

		/* those of x must lie in one run, with the last one's stride */
		int64_t stride = 0;

		for (int k = i - 1, inner = -1; k >= i0; k--) {
			if (x->dim[k] == 1)
				continue;
			if (inner < 0)
				stride = xs[k];
			else if (xs[k] != xs[inner] * x->dim[inner])
				return false;
			inner = k;
		}
		for (int k = j - 1; k >= j0; k--) {
			ts[k] = stride;
			stride *= t->dim[k];
		}
	}
	return true;
}

static bool
check_view(Verify *c, Val v)
{
	const Node *n = node(c, v), *x = node(c, n->arg[0]);
	Place want = x->place;
	int64_t axis;

	if (type_count(&n->type) == 0)
		return true;
	switch (n->op) {
	case OP_slice:
		axis = attr_int(n, A_axis, 0);
		want.offset += attr_int(n, A_begin, 0) * want.stride[axis];
		if (n->type.dim[axis] > 1)
			want.stride[axis] *= attr_int(n, A_step, 1);
		break;
	case OP_permute:
		for (int i = 0; i < n->type.rank; i++)
			want.stride[i] = x->place.stride[attr_ints(n, A_axes, i, i)];
		break;
	case OP_broadcast:
		for (int i = 0; i < n->type.rank; i++)
			if (x->type.dim[i] != n->type.dim[i])
				want.stride[i] = 0;
		break;
	default:
		if (!reshaped(&x->type, x->place.stride, &n->type, want.stride))
			return no(c, "%s: cannot be a view of %s: its elements lie in another order", who(c, v),
			          who(c, n->arg[0]));
	}
	return (n->place.buf == want.buf && n->place.offset == want.offset &&
	        same_strides(&n->type, n->place.stride, want.stride)) ||
		no(c, "%s: is a view of %s, but is not where that is", who(c, v), who(c, n->arg[0]));
}

static bool
check_join(Verify *c, Val v)
{
	const Node *n = node(c, v);
	int64_t axis = attr_int(n, A_axis, 0), offset = n->place.offset;

	for (int i = 0; i < n->narg; i++) {
		const Node *x = node(c, n->arg[i]);

		if (type_count(&x->type) == 0)
			continue;
		if (x->place.buf != n->place.buf || x->place.offset != offset ||
		    !same_strides(&x->type, x->place.stride, n->place.stride))
			return no(c, "%s: joins %s, but that is not at its part of the storage", who(c, v),
			          who(c, n->arg[i]));
		offset += x->type.dim[axis] * n->place.stride[axis];
	}
	return true;
}

/* ---- bytes in common ------------------------------------------------------------------------ */

typedef struct Term { int64_t stride, lo, hi; } Term;
typedef struct Equation { Term term[2 * MAX_RANK + 2]; int n; int budget; } Equation;

/* terms sorted by falling stride; one of each */
static void
add_term(Equation *e, int64_t stride, int64_t lo, int64_t hi)
{
	int i = 0;

	if (stride == 0 || lo == hi)
		return;
	while (i < e->n && e->term[i].stride > stride)
		i++;
	if (i < e->n && e->term[i].stride == stride) {
		e->term[i].lo += lo;
		e->term[i].hi += hi;
		return;
	}
	for (int k = e->n++; k > i; k--)
		e->term[k] = e->term[k - 1];
	e->term[i] = (Term){ stride, lo, hi };
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Is there a solution for terms i and after?  When it takes too long to say: yes. */
static bool
solvable(Equation *e, int i, int64_t sum)
{
	int64_t lo = 0, hi = 0;

	if (i == e->n)
		return sum == 0;
	if (--e->budget < 0)
		return true;
	for (int k = i + 1; k < e->n; k++) {
		lo += e->term[k].stride * e->term[k].lo;
		hi += e->term[k].stride * e->term[k].hi;
	}

	const Term *t = &e->term[i];
	int64_t from = MAX(t->lo, -floor_div(hi - sum, t->stride));
	int64_t to = MIN(t->hi, floor_div(sum - lo, t->stride));

	for (int64_t z = from; z <= to; z++)
		if (solvable(e, i + 1, sum - t->stride * z))
			return true;
	return false;
}

/* Both are inside one buffer, so no sum of their strides overflows. */
bool
node_share_bytes(const Node *u, const Node *v)
{
	Equation e = { .budget = 100000 };
	int64_t us = dtype_info[u->type.dt].bytes, vs = dtype_info[v->type.dt].bytes;

	if (type_count(&u->type) == 0 || type_count(&v->type) == 0)
		return false;
	for (int i = 0; i < u->type.rank; i++)
		add_term(&e, u->place.stride[i] * us, 0, u->type.dim[i] - 1);
	for (int i = 0; i < v->type.rank; i++)
		add_term(&e, v->place.stride[i] * vs, 1 - v->type.dim[i], 0);
	add_term(&e, 1, 0, us - 1);
	add_term(&e, 1, 1 - vs, 0);
	return solvable(&e, 0, v->place.offset * vs - u->place.offset * us);
}

/* Does every element of a group's out have bytes of its own?  (Enough, not necessary:
 * each stride steps over all that the smaller ones reach.) */
static bool
is_injective(const Node *n)
{
	Equation e = { 0 };
	int64_t reach = 0;

	for (int i = 0; i < n->type.rank; i++) {
		int before = e.n;

		add_term(&e, n->place.stride[i], 0, n->type.dim[i] - 1);
		if (n->type.dim[i] > 1 && e.n == before)
			return false;
	}
	for (int i = e.n - 1; i >= 0; i--) {
		if (e.term[i].stride <= reach)
			return false;
		reach += e.term[i].stride * e.term[i].hi;
	}
	return true;
}

/* May group p write its out over u, which it reads for the last time?  Only if both are in
 * the same place and u's element i is used for nothing but element i of the out: every
 * path from a reader of u to the out is pointwise, without stretching. */
static bool
in_place(Verify *c, Val u, uint32_t p)
{
	const Graph *g = c->g;
	Val out = g->group.p[p].out;
	const Node *un = node(c, u), *on = node(c, out);
	bool *same = NEWN(c->a, bool, g->node.n);     /* element i is used for element i of out */

	if (un->place.offset != on->place.offset || un->type.rank != on->type.rank ||
	    dtype_info[un->type.dt].bytes != dtype_info[on->type.dt].bytes ||
	    memcmp(un->type.dim, on->type.dim, sizeof(on->type.dim[0]) * (size_t)on->type.rank) ||
	    !same_strides(&on->type, un->place.stride, on->place.stride))
		return false;
	for (size_t i = 1; i < g->node.n; i++)
		same[i] = true;
	for (size_t i = c->ordered.order.n; i--;) {
		Val v = c->ordered.order.p[i];
		const Node *n = node(c, v);

		if (n->group != p) {
			/* u seen through a view or join may be read at other elements */
			if (!n->group && c->last[v] == c->step[p])
				for (int k = 0; k < n->narg; k++)
					same[n->arg[k]] = false;
			continue;
		}

		bool pass = same[v] && op_info[n->op].fuse == FUSE_POINT && n->type.rank == on->type.rank &&
			!memcmp(n->type.dim, on->type.dim, sizeof(on->type.dim[0]) * (size_t)on->type.rank);

		for (int k = 0; k < n->narg; k++)
			same[n->arg[k]] &= pass;
	}
	return same[u];
}

/* ---- plan -------------------------------------------------------------------------------------- */

static bool
has_plan(const Graph *g)
{
	for (size_t i = 1; i < g->buf.n; i++)
		if (g->buf.p[i].kind != BUF_NONE)
			return true;
	return false;
}

static void
find_readers(Verify *c)
{
	size_t count = c->g->node.n, total = 0;
	uint32_t *fill = NEWN(c->a, uint32_t, count + 1);

	c->first_reader = NEWN(c->a, uint32_t, count + 2);
	graph_foreach(&c->ordered, v)
		for (int k = 0; k < node(c, v)->narg; k++, total++)
			c->first_reader[node(c, v)->arg[k] + 1]++;
	for (size_t v = 0; v < count; v++)
		c->first_reader[v + 1] += c->first_reader[v];
	memcpy(fill, c->first_reader, sizeof *fill * (count + 1));
	c->reader = NEWN(c->a, Val, total + 1);
	graph_foreach(&c->ordered, v)
		for (int k = 0; k < node(c, v)->narg; k++)
			c->reader[fill[node(c, v)->arg[k]]++] = v;
}

/* Does somebody still want bytes of u that v has been written over?  u is seen as `seen`: itself, or
 * views and joins of it; `part` is the least of those views, with all that `seen` has from u. */
static bool
is_missed(const Verify *c, Val seen, Val part, Val v)
{
	if (!node_share_bytes(node(c, seen), node(c, v)) || !node_share_bytes(node(c, part), node(c, v)))
		return false;
	for (size_t i = 0; i < c->g->output.n; i++)
		if (c->g->output.p[i].v == seen)
			return true;
	for (uint32_t i = c->first_reader[seen]; i < c->first_reader[seen + 1]; i++) {
		Val r = c->reader[i];
		const Node *n = node(c, r);

		if (n->group ? c->step[n->group] >= c->def[v] :
		    is_missed(c, r, n->keep == KEEP_VIEW && part == seen ? r : part, v))
			return true;
	}
	return false;
}

/* Two values made in one buffer: never the same bytes at the same time.  What is read of the first
 * until later may be less than all of it: a slice, while the rest is written over. */
static bool
check_pair(Verify *c, Val u, Val v)
{
	if (c->def[u] > c->def[v]) {
		Val t = u;

		u = v;
		v = t;
	}
	if (c->last[u] < c->def[v] || !node_share_bytes(node(c, u), node(c, v)))
		return true;
	if (c->last[u] == c->def[v] && c->g->group.p[node(c, v)->group].out == v && in_place(c, u, node(c, v)->group))
		return true;
	return !is_missed(c, u, u, v) ||
		no(c, "%s is overwritten by %s at step %d, but is read until step %d", who(c, u), who(c, v),
		   c->def[v], c->last[u]);
}

static bool
check_plan(Verify *c)
{
	const Graph *g = c->g;
	size_t nb = g->buf.n;
	int32_t *first = NEWN(c->a, int32_t, nb), *last = NEWN(c->a, int32_t, nb);
	VEC(Val) made = { 0 };
	int32_t end = (int32_t)g->sched.n;

	find_readers(c);
	graph_foreach(&c->ordered, v)
		if (!check_place(c, v))
			return false;
	for (size_t b = 0; b < nb; b++) {
		first[b] = end + 1;
		last[b] = -1;
	}
	graph_foreach(&c->ordered, v) {
		const Node *n = node(c, v);

		if (n->keep != KEEP_GROUP) {
			if (!(n->keep == KEEP_VIEW ? check_view(c, v) : check_join(c, v)))
				return false;
		} else if (n->group && n->place.buf) {
			uint32_t b = n->place.buf;

			if (!is_injective(n))
				return no(c, "%s: two of its elements have one place", who(c, v));
			first[b] = MIN(first[b], c->def[v]);
			last[b] = MAX(last[b], c->last[v]);
			for (size_t i = 0; i < made.n; i++)
				if (node(c, made.p[i])->place.buf == b && !check_pair(c, made.p[i], v))
					return false;
			vec_push(c->a, &made, v);
		}
	}
	for (uint32_t i = 1; i < g->group.n; i++) {
		const Group *p = &g->group.p[i];

		if (p->family == FAM_none || (!p->work && !p->work_buf))
			continue;
		if (!p->work_buf || p->work_buf >= nb || g->buf.p[p->work_buf].kind != BUF_ARENA)
			return no(c, "group @%u: its workspace has no buffer in the arena", i);
		if (g->buf.p[p->work_buf].bytes < p->work)
			return no(c, "group @%u: needs %" PRId64 " bytes of workspace, but b%u has %" PRId64, i,
			          p->work, p->work_buf, g->buf.p[p->work_buf].bytes);
		if (last[p->work_buf] >= 0)
			return no(c, "group @%u: its workspace b%u is used for something else too", i, p->work_buf);
		first[p->work_buf] = last[p->work_buf] = c->step[i];
	}
	for (size_t b = 1; b < nb; b++) {
		const Buf *p = &g->buf.p[b];
		int64_t stop;

		if (p->kind != BUF_ARENA || last[b] < 0)
			continue;
		if (p->offset < 0 || p->offset % 64 || p->bytes < 0 ||
		    __builtin_add_overflow(p->offset, p->bytes, &stop) || stop > g->plan.peak)
			return no(c, "buffer b%zu: bytes %" PRId64 " from %" PRId64 " are not in an arena of %" PRId64
			          ", or not on a multiple of 64", b, p->bytes, p->offset, g->plan.peak);
		if (p->first > first[b] || p->last < MIN(last[b], end - 1))
			return no(c, "buffer b%zu: lives %d..%d, but is used %d..%d", b, p->first, p->last,
			          first[b], MIN(last[b], end - 1));
		for (size_t q = 1; q < b; q++) {
			const Buf *o = &g->buf.p[q];

			if (o->kind == BUF_ARENA && last[q] >= 0 && first[q] <= last[b] && first[b] <= last[q] &&
			    o->offset < stop && p->offset < o->offset + o->bytes)
				return no(c, "buffers b%zu (steps %d..%d) and b%zu (steps %d..%d) overlap in the arena",
				          q, first[q], last[q], b, first[b], last[b]);
		}
	}
	if (g->plan.bound > g->plan.peak)
		return no(c, "plan: its peak %" PRId64 " is below the bound %" PRId64, g->plan.peak, g->plan.bound);
	return true;
}

bool
graph_verify(const Graph *g, const char **err)
{
	Arena *a = arena_new();
	Verify c = { .g = g, .a = a, .ordered = graph_ordered(a, g), .err = err };

	c.def = NEWN(a, int32_t, g->node.n);
	c.last = NEWN(a, int32_t, g->node.n);
	c.outside = NEWN(a, bool, g->node.n);
	c.step = NEWN(a, int32_t, g->group.n);

	bool ok = check_ends(&c) && check_nodes(&c) &&
		(!is_grouped(&c) || check_groups(&c)) &&
		(!g->sched.n || check_schedule(&c)) &&
		(!has_plan(g) || g->sched.n || no(&c, "there is a plan, but no schedule")) &&
		(!has_plan(g) || check_plan(&c));

	arena_free(a);
	return ok;
}
