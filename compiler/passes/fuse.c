/* fuse.c -- nodes become groups; each will be one kernel.
 *
 *     %3 = conv2d %1, w, b  @1             a heavy op takes the pointwise ops after it
 *     %4 = sigmoid %3       @1
 *     %5 = mul %3, %4       @1
 *     %6 = add %5, %2       @1  out        a residual is read from memory on the way
 *     %7 = slice %6         view           no kernel: it is a part of %6's storage
 *     %9 = concat %7, %8    join           no kernel: %7 and %8 are made inside its storage
 *     %12 = concat %10, %11 @2             one kernel for what would be a small one a part
 *
 * A value between two kernels is written once and read at least once, and that, not
 * arithmetic, is what a network of YOLOv12's size waits for.  So everything pointwise runs on
 * values that are in registers anyway, and moves are turned into addresses.
 *
 * First each move is decided: what can be a view or a join becomes one, as long as every
 * reader can live with the strides.  What cannot is a pointwise group that moves elements
 * (a permute before a convolution, a resize), or gets a copy in front of it (an input that
 * is joined, a value that is an output twice).  Deciding is a loop: suppose views and joins
 * wherever the shape of the graph allows them, work out all places, take back the first
 * that does not work, repeat.
 *
 * Then groups grow from their heaviest op.  The one rule is that only one value leaves a
 * group.  It keeps the order of groups free of cycles: a group's members all lead to its
 * out, so a path that left the group and came back would have to leave by a second value.
 *
 * needs: order, nhwc, no batch_norm.   breaks: nothing that follows relies on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

typedef struct Fuse {
	Graph *g;
	PassCtx *cx;
	Arena *tmp;             /* for the pass */
	Arena *round;           /* for one supposition: at, users, placed */
	Storage at;
	Users users;
	bool *placed;           /* by value: its storage is spoken for, by a join or an output */
	bool *moved;            /* by value: a move that must be made by a kernel; room for new nodes */
	size_t room;
	uint32_t *pos;          /* by value: position in the order */
	uint32_t *stamp;        /* by value: the set that it was put into last … */
	int64_t *times;         /* … and how often that evaluates it */
	uint32_t set;
	VEC(Val) member;        /* of the set at hand */
	Val barred;             /* what this reads may not join the set */
	bool resizes;           /* a resize may */
} Fuse;

static Node *
node(const Fuse *f, Val v)
{
	return graph_node(f->g, v);
}

static bool
is_move(const Node *n)
{
	return op_info[n->op].fuse == FUSE_MOVE;
}

static bool
can_be_view(OpKind op)
{
	return op == OP_slice || op == OP_reshape || op == OP_permute || op == OP_broadcast;
}

/* ---- views and joins ----------------------------------------------------------------- */

static void
make_room(Fuse *f)
{
	size_t room = 2 * f->g->node.n + 64;

	if (f->g->node.n < f->room)
		return;

	bool *moved = NEWN(f->tmp, bool, room);

	if (f->room)
		memcpy(moved, f->moved, f->room);
	f->moved = moved;
	f->room = room;
}

static Val
copy_of(Fuse *f, Val like, Val x)
{
	Val c = build1(f->g, like, OP_copy, x);

	make_room(f);
	return c;
}

/* An output must have memory of its own: what comes from outside is copied, and what is an
 * output twice. */
static void
separate_outputs(Fuse *f)
{
	Graph *g = f->g;

	for (size_t i = 0; i < g->output.n; i++) {
		Val v = g->output.p[i].v;
		bool again = is_source(node(f, v));

		for (size_t k = 0; k < i && !again; k++)
			again = g->output.p[k].v == v;
		if (!again)
			continue;
		g->output.p[i].v = copy_of(f, v, v);
		pass_log(f->cx, "output %s is a copy of %%%u", g->output.p[i].name, v);
	}
	graph_order(g);
}

/* Is v what a heavy op makes, or a join of such?  Those kernels hold a few pixels by a few
 * channels when they store, and can as well store them with pixels side by side. */
static bool
stores_any_way(const Fuse *f, Val v, int steps)
{
	const Node *n = node(f, v);

	if (n->op == OP_reshape && users_count(&f->users, n->arg[0]) == 1)
		return stores_any_way(f, n->arg[0], steps);
	switch (op_info[n->op].fuse) {
	case FUSE_HEAVY:
		return true;
	case FUSE_POINT:        /* of an epilogue, if it is near */
		for (int i = 0; i < n->narg; i++)
			if (steps && same_dims(&node(f, n->arg[i])->type, &n->type) && stores_any_way(f, n->arg[i], steps - 1))
				return true;
		return false;
	default:
		for (int i = 0; i < n->narg; i++)
			if (n->op != OP_concat || f->users.outputs[n->arg[i]] || !stores_any_way(f, n->arg[i], steps))
				return false;
		return n->op == OP_concat;
	}
}

/* Can a view get the place it is wanted in by having its argument made there?  Reshapes only look
 * at it another way.  A permute changes its strides, which other readers may not like. */
static bool
is_placed_behind(const Fuse *f, Val v)
{
	enum { EPILOGUE = 6 };
	const Node *n = node(f, v);

	return n->keep == KEEP_VIEW && (n->op == OP_reshape || (n->op == OP_permute &&
		users_count(&f->users, n->arg[0]) == 1 && stores_any_way(f, n->arg[0], EPILOGUE)));
}

/* The value whose storage would be moved to move v.  0: it has none that could be placed. */
static Val
storage_behind(const Fuse *f, Val v)
{
	while (is_placed_behind(f, v)) {
		if (f->users.outputs[v])
			return 0;
		v = node(f, v)->arg[0];
	}
	return is_source(node(f, v)) || node(f, v)->keep == KEEP_VIEW ? 0 : v;
}

/* Argument i of join c is a slice, as of two convolutions that were made one.  All of what it is sliced
 * from can lie in the join, if it has been read by the time the other part is made over the rest. */
static Val
storage_around(const Fuse *f, Val c, int i)
{
	const Node *n = node(f, node(f, c)->arg[i]), *join = node(f, c);
	int64_t axis = attr_int(join, A_axis, 0), at = 0;
	Val m;

	if (n->op != OP_slice || n->keep != KEEP_VIEW || attr_int(n, A_axis, 0) != axis || attr_int(n, A_step, 1) != 1)
		return 0;
	m = n->arg[0];
	if (node(f, m)->keep != KEEP_GROUP || is_source(node(f, m)))
		return 0;
	for (int k = 0; k < i; k++)
		at += node(f, join->arg[k])->type.dim[axis];
	return may_lie_under(f->round, f->g, &f->users, c, i, at - attr_int(n, A_begin, 0), node(f, m)->type.dim[axis],
	                     m, join->arg[i]) ? m : 0;
}

/* Makes sure that argument i of join c can be made inside its storage.  True: the graph was
 * changed for it. */
static bool
place_in_join(Fuse *f, Val c, int i)
{
	Val v = node(f, c)->arg[i], x = storage_behind(f, v);

	if (!x)
		x = storage_around(f, c, i);
	if (x && !f->placed[x] && !f->users.outputs[v] && !f->users.outputs[x]) {
		f->placed[x] = true;
		return false;
	}
	if (node(f, v)->keep == KEEP_VIEW && !f->users.outputs[v]) {
		/* then the view's own elements are made there */
		f->moved[v] = true;
		node(f, v)->keep = KEEP_GROUP;
		f->placed[v] = true;
		return false;
	}
	x = copy_of(f, c, v);
	node(f, c)->arg[i] = x;
	pass_log(f->cx, "%%%u is copied into join %%%u", v, c);
	return true;
}

/* Would one kernel do for concat c what several do for its arguments?  Vectors along the axis have to
 * stay inside an argument. */
static bool
computes_well(const Fuse *f, Val c)
{
	enum { LANES = 8, FEW = 1 << 14 };
	const Node *n = node(f, c);
	int64_t axis = attr_int(n, A_axis, 0);

	for (int i = 0; i < n->narg; i++)
		if (axis == n->type.rank - 1 && node(f, n->arg[i])->type.dim[axis] % LANES && type_count(&n->type) > FEW)
			return false;
	return true;
}

/* Is c a few values, of which some come twice? */
static bool
doubles_few(const Fuse *f, Val c)
{
	enum { FEW = 1 << 14 };
	const Node *n = node(f, c);

	for (int i = 1; i < n->narg; i++)
		for (int k = 0; k < i; k++)
			if (n->arg[i] == n->arg[k])
				return type_count(&n->type) <= FEW;
	return false;
}

/* Is there an argument that can be made inside c?  If each had to be copied there, one kernel copies
 * them all; or the reader's does, if they are few. */
static bool
places_any(const Fuse *f, Val c)
{
	if (doubles_few(f, c))
		return !computes_well(f, c);
	for (int i = 0; i < node(f, c)->narg; i++) {
		Val v = node(f, c)->arg[i], x = storage_behind(f, v);

		if (x && !f->users.outputs[v] && !f->users.outputs[x])
			return true;
	}
	return !computes_well(f, c);
}

/* An output that is seen through a view needs the storage behind it for itself. */
static void
place_output(Fuse *f, Val v)
{
	Val x = v;

	if (node(f, v)->keep != KEEP_VIEW) {
		f->placed[v] = true;
		return;
	}
	while (is_placed_behind(f, x) && (x == v || !f->users.outputs[x]))
		x = node(f, x)->arg[0];
	if (!is_source(node(f, x)) && node(f, x)->keep != KEEP_VIEW && !f->users.outputs[x] && !f->placed[x]) {
		f->placed[x] = true;
		return;
	}
	f->moved[v] = true;
	node(f, v)->keep = KEEP_GROUP;
}

/* Suppose views and joins as far as the graph's shape goes.  True: a node was added, so
 * suppose again. */
static bool
suppose(Fuse *f)
{
	Graph *g = f->g;
	bool added = false;

	arena_free(f->round);
	f->round = arena_new();
	users_find(f->round, g, &f->users);
	f->placed = NEWN(f->round, bool, g->node.n);
	graph_foreach(g, v) {
		Node *n = node(f, v);

		n->keep = n->op == OP_concat ? KEEP_JOIN :
			can_be_view(n->op) && !f->moved[v] ? KEEP_VIEW : KEEP_GROUP;
	}
	graph_foreach(g, v)
		if (node(f, v)->keep == KEEP_JOIN && !places_any(f, v))
			node(f, v)->keep = KEEP_GROUP;
	for (size_t i = 0; i < g->output.n; i++)
		place_output(f, g->output.p[i].v);
	graph_foreach(g, v)
		for (int i = 0; node(f, v)->keep == KEEP_JOIN && i < node(f, v)->narg; i++)
			added |= place_in_join(f, v, i);
	if (added)
		graph_order(g);
	return added;
}

/* What a kernel asks of the strides of an argument. */
typedef enum Need { NEED_NOTHING, NEED_UNIT, NEED_PIECES, NEED_DENSE } Need;

enum { PIECE = 16 };            /* bytes that a GPU copies at a time, from multiples of them */

/* What a matrix product of a GPU reads: channels of x in whole pieces. */
static Need
need_of_product(const Fuse *f, const Node *x, int64_t channels)
{
	int64_t bytes = channels * dtype_info[x->type.dt].bytes;

	return f->cx->target && f->cx->target->kind == TARGET_GPU && bytes % PIECE == 0 ? NEED_PIECES : NEED_UNIT;
}

static Need
need_of(const Fuse *f, const Node *reader, int i)
{
	switch (reader->op) {
	case OP_conv2d:         /* vectors along channels; weights and bias as they come */
		if (i > 0)
			return NEED_DENSE;
		if (reads_elements(f->g, reader))
			return NEED_NOTHING;
		return need_of_product(f, node(f, reader->arg[0]), node(f, reader->arg[0])->type.dim[3] / attr_int(reader, A_groups, 1));
	case OP_attention:
		return i > 2 ? NEED_UNIT : need_of_product(f, node(f, reader->arg[i]), node(f, reader->arg[i])->type.dim[3] /
		                                           attr_int(reader, A_heads, 1));
	case OP_pool:
		return NEED_UNIT;
	case OP_warp:
		return NEED_DENSE;
	case OP_nms:
		return i >= 2 ? NEED_DENSE : NEED_NOTHING;
	default:
		return NEED_NOTHING;
	}
}

static bool
meets(const Fuse *f, Val v, Need need)
{
	const Type *t = &node(f, v)->type;
	const int64_t *stride = f->at.place[v].stride;

	switch (need) {
	case NEED_PIECES:
		for (int d = 0; d + 1 < t->rank; d++)
			if (t->dim[d] > 1 && stride[d] * dtype_info[t->dt].bytes % PIECE)
				return false;
		if (f->at.place[v].offset * dtype_info[t->dt].bytes % PIECE)
			return false;
		/* fallthrough */
	case NEED_UNIT:
		return t->rank == 0 || t->dim[t->rank - 1] == 1 || stride[t->rank - 1] == 1;
	case NEED_DENSE:
		return is_dense(t, stride);
	default:
		return true;
	}
}

/* Takes back suppositions that a reader cannot live with.  False: there are none. */
static bool
take_back(Fuse *f)
{
	Graph *g = f->g;
	bool again = false;
	Val bad;

	if (!storage_find(f->round, g, &f->at, &bad)) {
		f->moved[bad] = true;
		return true;
	}
	graph_foreach(g, v)
		for (int i = 0; is_stored(g, v) && i < node(f, v)->narg; i++) {
			Val x = node(f, v)->arg[i];

			if (meets(f, x, need_of(f, node(f, v), i)))
				continue;
			if (node(f, x)->keep == KEEP_VIEW) {
				f->moved[x] = true;
			} else {
				Val c = copy_of(f, v, x);

				node(f, v)->arg[i] = c;
			}
			pass_log(f->cx, "%%%u cannot read %%%u where it is", v, x);
			again = true;
		}
	for (size_t i = 0; i < g->output.n; i++) {
		Val v = g->output.p[i].v;

		if (node(f, v)->keep == KEEP_VIEW && !meets(f, v, NEED_DENSE))
			again = f->moved[v] = true;
	}
	if (again)
		graph_order(g);
	return again;
}

static void
decide_moves(Fuse *f)
{
	make_room(f);
	separate_outputs(f);
	do {
		while (suppose(f))
			;
	} while (take_back(f));
}

/* ---- growing groups --------------------------------------------------------------------- */

static bool
is_free(const Fuse *f, Val v)
{
	const Node *n = node(f, v);

	return n->op != OP_none && !n->group && n->keep == KEEP_GROUP && !is_source(n);
}

static bool
is_point(const Node *n)
{
	return op_info[n->op].fuse == FUSE_POINT;
}

static void
set_begin(Fuse *f)
{
	f->set++;
	f->member.n = 0;
}

static bool
in_set(const Fuse *f, Val v)
{
	return f->stamp[v] == f->set;
}

static void
set_add(Fuse *f, Val v, int64_t times)
{
	f->stamp[v] = f->set;
	f->times[v] = times;
	vec_push(f->tmp, &f->member, v);
}

/* Is v read by members of the set, and by nobody else? */
static bool
read_inside(const Fuse *f, Val v)
{
	if (f->users.outputs[v])
		return false;
	for (uint32_t i = f->users.first[v]; i < f->users.first[v + 1]; i++)
		if (!in_set(f, f->users.node[i]))
			return false;
	return true;
}

static Family
family_of(const Graph *g, Val root)
{
	const Node *n = graph_node(g, root);

	switch (n->op) {
	case OP_conv2d: {
		const Node *x = graph_node(g, n->arg[0]), *w = graph_node(g, n->arg[1]);

		return w->type.dim[1] == 1 && w->type.dim[0] == x->type.dim[3] &&
			attr_int(n, A_groups, 1) == w->type.dim[0] ? FAM_depthwise : FAM_conv;
	}
	case OP_matmul:    return FAM_matmul;
	case OP_attention: return FAM_attention;
	case OP_pool:      return FAM_pool;
	case OP_gather:    return FAM_gather;
	case OP_fit:       return FAM_fit;
	case OP_warp:      return FAM_warp;
	case OP_topk:      return FAM_topk;
	case OP_nms:       return FAM_nms;
	case OP_iota:      return FAM_point;
	default:
		break;
	}
	switch (op_info[n->op].fuse) {
	case FUSE_POINT: case FUSE_MOVE: return FAM_point;
	case FUSE_REDUCE:                return FAM_reduce;
	default:                         return FAM_none;
	}
}

static bool
takes_layout(OpKind op)
{
	return op == OP_conv2d || op == OP_pool || op == OP_attention;
}

static void
make_group(Fuse *f, Val root, Val out, size_t members)
{
	Group gr = { .family = family_of(f->g, root), .root = root, .out = out };

	if (attr_find(node(f, root), A_layout) == NULL && takes_layout(node(f, root)->op)) {
		pass_fail(f->cx, "%%%u: %s still works on channels first; the pass layout comes first", root,
		          op_info[node(f, root)->op].name);
		return;
	}
	if (!gr.family) {
		pass_fail(f->cx, "%%%u: there is no kernel for %s", root, op_info[node(f, root)->op].name);
		return;
	}
	vec_push(f->g->a, &f->g->group, gr);
	for (size_t i = 0; i < members; i++)
		node(f, f->member.p[i])->group = (uint32_t)f->g->group.n - 1;
}

/* The next reader of a member that could join an epilogue on values of type t. */
static Val
next_reader(const Fuse *f, const Type *t)
{
	Val best = 0;

	for (size_t i = 0; i < f->member.n; i++) {
		Val m = f->member.p[i];

		for (uint32_t k = f->users.first[m]; k < f->users.first[m + 1]; k++) {
			Val r = f->users.node[k];

			if (!in_set(f, r) && is_free(f, r) && is_point(node(f, r)) &&
			    same_dims(&node(f, r)->type, t) && (!best || f->pos[r] < f->pos[best]))
				best = r;
		}
	}
	return best;
}

/* Adds what can run on the root's results while they are in registers.  The set may have
 * several ways out while it grows (x * sigmoid(x) has two after the sigmoid); what counts
 * is the largest set seen with one.  Returns that way out; *members: how many are in. */
static Val
grow_epilogue(Fuse *f, Val root, size_t *members)
{
	enum { MOST = 64 };     /* past that a kernel runs out of registers */
	const Type t = node(f, root)->type;
	size_t start = f->member.n;
	Val out = root;

	*members = start;
	for (Val r; f->member.n < start + MOST && (r = next_reader(f, &t));) {
		Val leaves = 0;
		int ways = 0;

		set_add(f, r, type_count(&t));
		for (size_t i = start - 1; i < f->member.n; i++)
			if (!read_inside(f, f->member.p[i])) {
				leaves = f->member.p[i];
				ways++;
			}
		if (ways == 1) {
			out = leaves;
			*members = f->member.n;
		}
	}
	for (size_t i = *members; i < f->member.n; i++)
		f->stamp[f->member.p[i]] = 0;
	f->member.n = *members;
	return out;
}

static bool
is_costly(OpKind op)
{
	switch (op) {
	case OP_exp: case OP_log: case OP_sqrt: case OP_sin: case OP_cos: case OP_tanh:
	case OP_sigmoid: case OP_pow: case OP_div: case OP_mod:
		return true;
	default:
		return false;
	}
}

/* v is evaluated `times` in all if it joins its reader: is that better than once, a write
 * and a read? */
static bool
worth_repeating(const Node *n, int64_t times)
{
	enum { FEW = 1 << 14, REPEATS = 4 };
	int64_t count = type_count(&n->type);

	return times <= count || times <= FEW || (!is_costly(n->op) && times / REPEATS <= count);
}

/* v, seen through views that only the set and each other read: the op that makes it, if
 * that can join the set.  0: it stays outside. */
static Val
joinable(const Fuse *f, Val v, bool moves, int64_t times)
{
	Val x = v;

	if (!read_inside(f, v))
		return 0;
	for (int i = 0; f->barred && i < node(f, f->barred)->narg; i++)
		if (node(f, f->barred)->arg[i] == v)
			return 0;
	while (moves && node(f, x)->keep == KEEP_VIEW) {
		x = node(f, x)->arg[0];
		if (users_count(&f->users, x) != 1)
			return 0;
	}
	if (!is_free(f, x) || f->at.owner[x] != x || !worth_repeating(node(f, x), times))
		return 0;
	return is_point(node(f, x)) || node(f, x)->op == OP_iota || (moves && is_move(node(f, x))) ||
		(f->resizes && node(f, x)->op == OP_resize) ? x : 0;
}

/* Adds v, or what makes it, if only the set reads it.  Views on the way stop being views: the
 * kernel knows where it reads. */
static void
grow_argument(Fuse *f, Val v, bool moves, int64_t times)
{
	Val x = in_set(f, v) ? 0 : joinable(f, v, moves, times);

	if (!x)
		return;
	for (; v != x; v = node(f, v)->arg[0]) {
		node(f, v)->keep = KEEP_GROUP;
		set_add(f, v, times);
	}
	set_add(f, x, times);
}

/* Adds what the members from `first` on read and nobody else does: pointwise work of the same
 * shape, and for `moves` of any shape, and re-indexing too. */
static void
grow_arguments(Fuse *f, size_t first, bool moves)
{
	for (size_t i = first; i < f->member.n; i++) {
		Val m = f->member.p[i];

		for (int k = 0; k < node(f, m)->narg; k++) {
			Val x = node(f, m)->arg[k];

			/* an element of a concat is one of an argument */
			if (moves || same_dims(&node(f, x)->type, &node(f, m)->type))
				grow_argument(f, x, moves, node(f, m)->op != OP_concat ? f->times[m] :
					f->times[m] * type_count(&node(f, x)->type) / MAX(type_count(&node(f, m)->type), 1));
		}
	}
}

/* Starts a set with the root and what is computed on the way into its argument k, each element
 * `times` in all.  The root is the last of the set, where the epilogue grows from. */
static void
begin_with_prologue(Fuse *f, Val root, int k, bool moves, int64_t times)
{
	set_begin(f);
	set_add(f, root, times);
	grow_argument(f, node(f, root)->arg[k], moves, times);
	f->barred = root;               /* the other arguments are in memory */
	grow_arguments(f, 1, moves);
	f->barred = 0;
	for (size_t i = 0; i + 1 < f->member.n; i++) {
		f->member.p[i] = f->member.p[i + 1];
		f->member.p[i + 1] = root;
	}
}

/* The expect that alone reads a convolution, through a view, and can be had from its sums; 0: there is none.
 * out: of the convolution's group so far, which may make f32 of its sums: they are that. */
static Val
mean_behind(const Fuse *f, Val conv, Val out)
{
	Val view, mean;

	if (node(f, conv)->op != OP_conv2d || users_count(&f->users, out) != 1 || f->users.outputs[out] ||
	    (out != conv && (node(f, out)->op != OP_cast || node(f, out)->arg[0] != conv || node(f, out)->type.dt != DT_F32)))
		return 0;
	view = f->users.node[f->users.first[out]];
	if (node(f, view)->op != OP_reshape || node(f, view)->keep != KEEP_VIEW || users_count(&f->users, view) != 1 ||
	    f->users.outputs[view])
		return 0;
	mean = f->users.node[f->users.first[view]];
	return node(f, mean)->op == OP_expect && node(f, mean)->arg[0] == view && is_free(f, mean) &&
	       node(f, view)->type.rank == 5 && attr_int(node(f, mean), A_axis, 0) == 4 &&
	       node(f, view)->type.dim[2] == node(f, conv)->type.dim[2] &&
	       makes_mean(f->g, f->cx, conv, node(f, view)->type.dim[4]) &&
	       node(f, node(f, conv)->arg[0])->type.dt == f->cx->compute ? mean : 0;
}

static void
group_with_epilogue(Fuse *f, Val root)
{
	size_t members;
	Val out = grow_epilogue(f, root, &members), mean = mean_behind(f, root, out);

	if (mean) {
		Val view = node(f, mean)->arg[0];

		node(f, view)->keep = KEEP_GROUP;
		set_add(f, view, type_count(&node(f, view)->type));
		set_add(f, mean, type_count(&node(f, mean)->type));
		out = grow_epilogue(f, mean, &members);
	}
	make_group(f, root, out, members);
}

/* How often a convolution that computes its input does so, in all: for each tap that sees an
 * element, and again for each block of output channels. */
static int64_t
times_read(const Fuse *f, const Node *conv)
{
	enum { BLOCK = 16 };
	const Type *w = &node(f, conv->arg[1])->type;

	if (f->cx->target && f->cx->target->kind == TARGET_GPU)         /* caches serve the repeats */
		return type_count(&node(f, conv->arg[0])->type);
	return type_count(&node(f, conv->arg[0])->type) * w->dim[2] * w->dim[3] * ((w->dim[0] + BLOCK - 1) / BLOCK) /
		(attr_ints(conv, A_stride, 0, 1) * attr_ints(conv, A_stride, 1, 1));
}

static void
group_heavy(Fuse *f, Val root)
{
	const Node *n = node(f, root);

	if (reads_elements(f->g, n)) {
		begin_with_prologue(f, root, 0, true, times_read(f, n));
	} else if (n->op == OP_gather && n->arg[0] != n->arg[1]) {
		begin_with_prologue(f, root, 1, true, type_count(&node(f, n->arg[1])->type));
	} else {
		set_begin(f);
		set_add(f, root, 1);
	}
	group_with_epilogue(f, root);
}

/* sum, softmax …: pointwise work on the way in, of the argument's shape, and on the way out */
static void
group_reduce(Fuse *f, Val root)
{
	OpKind op = node(f, root)->op;
	int rounds = op == OP_softmax ? 3 : op == OP_expect ? 2 : 1;

	begin_with_prologue(f, root, 0, false, rounds * type_count(&node(f, node(f, root)->arg[0])->type));
	group_with_epilogue(f, root);
}

static void
group_point(Fuse *f, Val out)
{
	set_begin(f);
	set_add(f, out, type_count(&node(f, out)->type));
	grow_arguments(f, 0, true);
	make_group(f, out, out, f->member.n);
}

static void
group_alone(Fuse *f, Val v)
{
	set_begin(f);
	set_add(f, v, 1);
	make_group(f, v, v, 1);
}

/* Pointwise work that feeds an epilogue and nothing else, such as a scale of the residual; and for a
 * convolution, whose epilogue knows row and column, what is enlarged on the way.
 * What the root reads it reads at other coordinates, so that stays outside. */
static void
widen(Fuse *f, uint32_t id)
{
	const Group *gr = &f->g->group.p[id];
	int64_t times = type_count(&node(f, gr->out)->type);

	set_begin(f);
	set_add(f, gr->root, times);
	graph_foreach(f->g, v)
		if (node(f, v)->group == id && v != gr->root)
			set_add(f, v, times);
	f->barred = gr->root;
	f->resizes = gr->family == FAM_conv;
	grow_arguments(f, 1, gr->family == FAM_gather);
	f->barred = 0;
	f->resizes = false;
	for (size_t i = 0; i < f->member.n; i++)
		node(f, f->member.p[i])->group = id;
}

/* Epilogues of reductions have their own shape, and their prologues are not looked at. */
static bool
widens(Family family)
{
	return family == FAM_conv || family == FAM_depthwise || family == FAM_matmul ||
		family == FAM_attention || family == FAM_pool || family == FAM_gather;
}

/* Is v left for a kernel of its own, which join c alone waits for? */
static bool
is_left(const Fuse *f, Val v)
{
	return is_free(f, v) && (is_point(node(f, v)) || is_move(node(f, v))) && users_count(&f->users, v) == 1;
}

/* Arguments i .. i + n - 1 of join c become one, which is computed. */
static void
compute_part(Fuse *f, Val c, int i, int n)
{
	Val part = build_concat(f->g, c, &node(f, c)->arg[i], n, attr_int(node(f, c), A_axis, 0));
	Node *join = node(f, c);

	join->arg[i] = part;
	memmove(&join->arg[i + 1], &join->arg[i + n], sizeof *join->arg * (size_t)(join->narg - i - n));
	join->narg -= n - 1;
}

/* Neighbours in a join that are left over are one kernel. */
static void
join_points(Fuse *f)
{
	Graph *g = f->g;
	Val bad;

	graph_foreach(g, c)
		for (int i = 0; node(f, c)->keep == KEEP_JOIN && i < node(f, c)->narg; i++) {
			int n = 0;

			while (i + n < node(f, c)->narg && is_left(f, node(f, c)->arg[i + n]))
				n++;
			if (n < 2 || !computes_well(f, c))
				continue;
			pass_log(f->cx, "%d parts of join %%%u are one kernel", n, c);
			if (n == node(f, c)->narg)
				node(f, c)->keep = KEEP_GROUP;
			else
				compute_part(f, c, i, n);
		}
	graph_order(g);
	users_find(f->round, g, &f->users);
	storage_find(f->round, g, &f->at, &bad);
	for (size_t i = 0; i < g->order.n; i++)
		f->pos[g->order.p[i]] = (uint32_t)i;
}

/* Groups numbered as their outs are ordered, so that dumps read from top to bottom. */
static void
renumber(Fuse *f)
{
	Graph *g = f->g;
	uint32_t *to = NEWN(f->tmp, uint32_t, g->group.n), next = 1;
	Group *sorted = NEWN(f->tmp, Group, g->group.n);

	graph_foreach(g, v) {
		uint32_t id = node(f, v)->group;

		if (id && g->group.p[id].out == v) {
			sorted[next] = g->group.p[id];
			to[id] = next++;
		}
	}
	memcpy(g->group.p, sorted, g->group.n * sizeof *sorted);
	graph_foreach(g, v)
		node(f, v)->group = to[node(f, v)->group];
}

static void
count_families(Fuse *f)
{
	size_t count[FAM_COUNT] = { 0 };
	Text t = { .a = f->tmp };

	for (size_t i = 1; i < f->g->group.n; i++)
		count[f->g->group.p[i].family]++;
	for (int k = FAM_none + 1; k < FAM_COUNT; k++)
		if (count[k])
			text_printf(&t, ", %zu %s", count[k], family_name[k]);
	pass_log(f->cx, "%zu groups%s", f->g->group.n - 1, text_str(&t));
}

bool
pass_fuse(Graph *g, PassCtx *cx)
{
	Fuse f = { .g = g, .cx = cx };

	if (g->group.n > 1)
		return false;
	f.tmp = arena_new();
	decide_moves(&f);
	f.pos = NEWN(f.tmp, uint32_t, 2 * g->node.n);          /* join_points adds nodes */
	f.stamp = NEWN(f.tmp, uint32_t, 2 * g->node.n);
	f.times = NEWN(f.tmp, int64_t, 2 * g->node.n);
	for (size_t i = 0; i < g->order.n; i++)
		f.pos[g->order.p[i]] = (uint32_t)i;

	/* backwards: of two convolutions that are added, the later one takes the sum */
	for (size_t i = g->order.n; i--;)
		if (is_free(&f, g->order.p[i]) && op_info[node(&f, g->order.p[i])->op].fuse == FUSE_HEAVY)
			group_heavy(&f, g->order.p[i]);
	for (size_t i = g->order.n; i--;)
		if (is_free(&f, g->order.p[i]) && op_info[node(&f, g->order.p[i])->op].fuse == FUSE_REDUCE)
			group_reduce(&f, g->order.p[i]);
	for (uint32_t id = 1; id < g->group.n; id++)
		if (widens(g->group.p[id].family))
			widen(&f, id);
	join_points(&f);
	for (size_t i = g->order.n; i--;) {
		Val v = g->order.p[i];

		if (!is_free(&f, v))
			continue;
		if (is_point(node(&f, v)) || is_move(node(&f, v)) || node(&f, v)->op == OP_iota)
			group_point(&f, v);
		else
			group_alone(&f, v);
	}
	if (!cx->failed) {
		renumber(&f);
		count_families(&f);
	}
	arena_free(f.round);
	arena_free(f.tmp);
	return true;
}
