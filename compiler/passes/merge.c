/* merge.c -- convolutions of one input become one convolution.
 *
 *     %3 = conv2d %1, w3 : [..,32]        %7 = conv2d %1, (concat w3, w4) : [..,96]
 *     %4 = conv2d %1, w4 : [..,64]   =>   %8 = sigmoid %7
 *     %5 = sigmoid %3                     %5 = slice %8 {0..32}
 *     %6 = sigmoid %4                     %6 = slice %8 {32..96}
 *
 * One launch instead of two, and the input is read once: queries and keys with values, the two ways
 * through a C3k.  The slices are views, so who reads channels reads them where they are.
 *
 * The pointwise work behind the convolutions must be the same, as it is done before the slices; it
 * ends where something else comes in.  Not where that something would have been part of the
 * convolution's epilogue: a residual that is added, which would be left to a kernel of its own.
 *
 * Nor if a result is wanted inside a join, where a slice would have to be copied, with one
 * exception: the whole lies in the join, and what is made of the other half is written over that.
 *
 *     t | b        what the two convolutions make
 *     a | b        the join: a is made from t, when t has been read
 *
 * needs: order, nhwc, weights folded; comes after all that looks for patterns behind a convolution.
 * breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

enum { MOST = 4, CHAIN = 8, CHANNELS = 8 };     /* convolutions; ops of each; what channels are a multiple of */

typedef struct Merge {
	Graph *g;
	Arena *tmp;
	Users users;
	uint32_t *pos;          /* by value: position in the order */
} Merge;

/* A convolution with the pointwise work that follows and reads nothing else. */
typedef struct Branch {
	Val v[CHAIN];           /* v[0]: the convolution */
	int n;
	Val join;               /* that wants the result inside; 0: none */
	int k;                  /* as this argument */
} Branch;

static const Node *
node(const Merge *m, Val v)
{
	return graph_node(m->g, v);
}

static int
index_in(const Branch *b, Val v)
{
	for (int i = 0; i < b->n; i++)
		if (b->v[i] == v)
			return i;
	return -1;
}

static bool
is_one(const Node *n)
{
	return n->op == OP_const && n->data && type_count(&n->type) == 1;
}

static bool
is_read_inside(const Merge *m, const Branch *b, Val v)
{
	for (uint32_t i = m->users.first[v]; i < m->users.first[v + 1]; i++)
		if (index_in(b, m->users.node[i]) < 0)
			return false;
	return !m->users.outputs[v];
}

/* The next op whose arguments are all in the branch, or single numbers. */
static Val
next_in(const Merge *m, const Branch *b)
{
	Val next = 0;

	for (int i = 0; i < b->n; i++)
		for (uint32_t u = m->users.first[b->v[i]]; u < m->users.first[b->v[i] + 1]; u++) {
			Val r = m->users.node[u];
			bool inside = op_info[node(m, r)->op].fuse == FUSE_POINT && index_in(b, r) < 0;

			for (int k = 0; k < node(m, r)->narg && inside; k++)
				inside = index_in(b, node(m, r)->arg[k]) >= 0 || is_one(node(m, node(m, r)->arg[k]));
			if (inside && (!next || m->pos[r] < m->pos[next]))
				next = r;
		}
	return next;
}

static Branch
branch_of(const Merge *m, Val conv)
{
	Branch b = { .v = { conv }, .n = 1 };
	int closed = 1;         /* ops of which only the last is read by others */

	for (Val r; b.n < CHAIN && (r = next_in(m, &b)); ) {
		bool inside = true;

		b.v[b.n++] = r;
		for (int i = 0; i + 1 < b.n; i++)
			inside &= is_read_inside(m, &b, b.v[i]);
		if (inside)
			closed = b.n;
	}
	b.n = closed;
	return b;
}

/* Is v what a later convolution makes, so that work on both runs in that one's epilogue? */
static bool
comes_later(const Merge *m, Val v, Val conv, int steps)
{
	const Node *n = node(m, v);

	if (op_info[n->op].fuse == FUSE_HEAVY)
		return m->pos[v] > m->pos[conv];
	for (int i = 0; i < n->narg && steps && op_info[n->op].fuse == FUSE_POINT; i++)
		if (comes_later(m, n->arg[i], conv, steps - 1))
			return true;
	return false;
}

/* Will reader r be as well off with a slice of a larger result? */
static bool
reads_slice(const Merge *m, Branch *b, Val r)
{
	const Node *n = node(m, r);
	Val out = b->v[b->n - 1];

	switch (n->op) {
	case OP_conv2d: case OP_attention: case OP_pool: case OP_slice:
		return true;
	case OP_concat:
		for (int i = 0; i < n->narg; i++)
			if (n->arg[i] == out)
				b->k = i;
		return !b->join && attr_int(n, A_axis, 0) == n->type.rank - 1 && (b->join = r);
	default:
		for (int i = 0; i < n->narg && op_info[n->op].fuse == FUSE_POINT; i++)
			if (n->arg[i] != out && comes_later(m, n->arg[i], b->v[0], CHAIN))
				return true;
		return false;
	}
}

static bool
can_be_slice(const Merge *m, Branch *b)
{
	Val out = b->v[b->n - 1];

	for (uint32_t i = m->users.first[out]; i < m->users.first[out + 1]; i++)
		if (!reads_slice(m, b, m->users.node[i]))
			return false;
	return !m->users.outputs[out] && node(m, out)->type.dim[3] % CHANNELS == 0;
}

static bool
is_candidate(const Merge *m, Val v, Val x)
{
	const Node *n = node(m, v);

	return n->op == OP_conv2d && n->arg[0] == x && node_nhwc(n) && attr_int(n, A_groups, 1) == 1 &&
		!attr_find(n, A_pack) && is_constant(node(m, n->arg[1])) && (n->narg < 3 || is_constant(node(m, n->arg[2])));
}

/* Types that differ in the number of channels at most, which is that of dim c. */
static bool
same_but(const Type *a, const Type *b, int c)
{
	Type t = *a;

	t.dim[c] = b->dim[c];
	return type_eq(&t, b);
}

static bool
same_attrs(const Node *a, const Node *b)
{
	if (a->nattr != b->nattr)
		return false;
	for (int i = 0; i < a->nattr; i++) {
		const Attr *p = &a->attr[i], *q = &b->attr[i];

		if (p->key != q->key)
			return false;
		switch (attr_info[p->key].kind) {
		case ATTR_INTS:
			if (p->n != q->n || memcmp(p->v, q->v, sizeof *p->v * (size_t)p->n))
				return false;
			break;
		case ATTR_STR:
			if (strcmp(p->s, q->s))
				return false;
			break;
		default:
			if (p->i != q->i)
				return false;
		}
	}
	return true;
}

static bool
same_number(const Node *a, const Node *b)
{
	return is_one(a) && is_one(b) && type_eq(&a->type, &b->type) &&
		!memcmp(a->data, b->data, (size_t)type_bytes(&a->type));
}

static bool
are_twins(const Merge *m, const Branch *a, const Branch *b)
{
	const Node *p = node(m, a->v[0]), *q = node(m, b->v[0]);

	if (a->n != b->n || p->narg != q->narg || !same_attrs(p, q) || !same_but(&p->type, &q->type, 3))
		return false;
	for (int k = 1; k < p->narg; k++)
		if (!same_but(&node(m, p->arg[k])->type, &node(m, q->arg[k])->type, 0))
			return false;
	for (int i = 1; i < a->n; i++) {
		p = node(m, a->v[i]);
		q = node(m, b->v[i]);
		if (p->op != q->op || p->narg != q->narg || !same_attrs(p, q) || !same_but(&p->type, &q->type, 3))
			return false;
		for (int k = 0; k < p->narg; k++) {
			int at = index_in(a, p->arg[k]);

			if (at != index_in(b, q->arg[k]) || (at < 0 && !same_number(node(m, p->arg[k]), node(m, q->arg[k]))))
				return false;
		}
	}
	return true;
}

/* Puts two branches in the order in which they may lie in the join that wants one of them. */
static bool
fit_join(const Merge *m, Branch *b, int n)
{
	int in = 0, wanted = 0;
	int64_t at = 0, size[2];

	for (int i = 0; i < n; i++)
		if (b[i].join) {
			in = i;
			wanted++;
		}
	if (!wanted)
		return true;
	if (wanted > 1 || n != 2)
		return false;
	for (int k = 0; k < b[in].k; k++)
		at += node(m, node(m, b[in].join)->arg[k])->type.dim[3];
	for (int i = 0; i < 2; i++)
		size[i] = node(m, b[i].v[0])->type.dim[3];
	for (int first = 0; first < 2; first++) {
		Val other = b[!in].v[b[!in].n - 1];

		if (!may_lie_under(m->tmp, m->g, &m->users, b[in].join, b[in].k, first == in ? at : at - size[!in],
		                   size[0] + size[1], other, 0))
			continue;
		if (first == 1) {
			Branch t = b[0];

			b[0] = b[1];
			b[1] = t;
		}
		return true;
	}
	return false;
}

/* One branch for all: weights and biases joined, the work on top once, a slice for each. */
static void
make_one(Merge *m, const Branch *b, int n, PassCtx *cx)
{
	Graph *g = m->g;
	Val made[CHAIN], arg[3], part[MOST];
	int64_t at = 0;

	arg[0] = node(m, b->v[0])->arg[0];
	for (int k = 1; k < node(m, b->v[0])->narg; k++) {
		for (int i = 0; i < n; i++)
			part[i] = node(m, b[i].v[0])->arg[k];
		arg[k] = build_concat(g, part[0], part, n, 0);
	}
	for (int i = 0; i < b->n; i++) {
		Node p = *node(m, b->v[i]);

		for (int k = 0; k < p.narg && i > 0; k++) {
			int in = index_in(b, p.arg[k]);

			arg[k] = in < 0 ? p.arg[k] : made[in];
		}
		made[i] = p.op == OP_cast ? build_cast(g, b->v[i], arg[0], p.type.dt) :
			build(g, b->v[i], p.op, arg, p.narg, p.attr, p.nattr);
		graph_node(g, made[i])->name = p.name;
	}
	for (int i = 0; i < n; i++) {
		Val out = b[i].v[b[i].n - 1];
		int64_t end = at + node(m, out)->type.dim[3];

		pass_log(cx, "%%%u is channels %lld .. %lld of %%%u", out, (long long)at, (long long)end, made[b->n - 1]);
		graph_replace(g, out, build_slice(g, out, made[b->n - 1], 3, at, end, 1));
		at = end;
	}
}

/* Convolutions of x that can be one.  How many; at most MOST. */
static int
find_branches(const Merge *m, Val x, Branch *b)
{
	int n = 0;

	for (uint32_t i = m->users.first[x]; i < m->users.first[x + 1] && n < MOST; i++) {
		Val v = m->users.node[i];

		if (!is_candidate(m, v, x))
			continue;
		b[n] = branch_of(m, v);
		if (can_be_slice(m, &b[n]) && (n == 0 || are_twins(m, b, &b[n])))
			n++;
	}
	if (fit_join(m, b, n))
		return n;

	int kept = 0;

	for (int i = 0; i < n; i++)
		if (!b[i].join)
			b[kept++] = b[i];
	return kept;
}

static bool
one_round(Graph *g, PassCtx *cx)
{
	Merge m = { .g = g, .tmp = arena_new() };
	bool changed = false;

	users_find(m.tmp, g, &m.users);
	m.pos = NEWN(m.tmp, uint32_t, g->node.n);
	for (size_t i = 0; i < g->order.n; i++)
		m.pos[g->order.p[i]] = (uint32_t)i;
	/* one at a time, as each changes who reads what */
	for (size_t i = 0; i < g->order.n && !changed; i++) {
		Branch b[MOST];
		int n = find_branches(&m, g->order.p[i], b);

		if (n > 1) {
			make_one(&m, b, n, cx);
			changed = true;
		}
	}
	arena_free(m.tmp);
	return changed;
}

bool
pass_merge(Graph *g, PassCtx *cx)
{
	bool changed = false;

	while (g->group.n == 1 && one_round(g, cx)) {
		graph_order(g);
		changed = true;
	}
	if (changed) {
		pass_fold(g, cx);       /* the weights */
		graph_order(g);
	}
	return changed;
}
