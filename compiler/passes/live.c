/* live.c -- which storage each group reads and writes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/live.h"

typedef struct Find {
	Arena *a;
	const Graph *g;
	Live *l;
	VEC(uint32_t) *makers;  /* by value: groups that make it or its parts; of what is in memory */
} Find;

static Touch *
touch_of(const Find *f, Val v)
{
	return &f->l->touch[graph_node(f->g, v)->group];
}

#define add_once(a, v, x)                                       \
	do {                                                    \
		size_t i_ = 0;                                  \
		while (i_ < (v)->n && (v)->p[i_] != (x))        \
			i_++;                                   \
		if (i_ == (v)->n)                               \
			vec_push(a, v, x);                      \
	} while (0)

static void
find_blocks(Find *f)
{
	const Graph *g = f->g;
	Live *l = f->l;

	vec_push(f->a, &l->block, (Block){ 0 });
	graph_foreach(g, v) {
		Val owner = l->at.owner[v];
		const Node *n = graph_node(g, v);
		bool memory = !n->group || group_writes(&g->group.p[n->group], v);

		if (!memory || is_source(graph_node(g, owner)))
			continue;
		if (!l->block_of[owner]) {
			vec_push(f->a, &l->block, ((Block){ .owner = owner,
				.bytes = plan_align(type_bytes(&graph_node(g, owner)->type)) }));
			l->block_of[owner] = (uint32_t)l->block.n - 1;
		}
		l->block_of[v] = l->block_of[owner];
	}
	for (size_t i = 0; i < g->output.n; i++)
		l->block.p[l->block_of[g->output.p[i].v]].kept = true;
}

/* by value: groups that have to run before it is there */
static void
find_makers(Find *f)
{
	const Graph *g = f->g;

	f->makers = arena_array(f->a, g->node.n, sizeof *f->makers);
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (n->group) {
			vec_push(f->a, &f->makers[v], n->group);
			continue;
		}
		for (int i = 0; i < n->narg; i++)
			for (size_t k = 0; k < f->makers[n->arg[i]].n; k++)
				add_once(f->a, &f->makers[v], f->makers[n->arg[i]].p[k]);
	}
}

static void
find_touches(Find *f)
{
	const Graph *g = f->g;
	Live *l = f->l;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);
		Touch *t = touch_of(f, v);

		if (!n->group)
			continue;
		if (g->group.p[n->group].out == v)
			t->out = l->block_of[v];
		else if (g->group.p[n->group].also == v)
			t->also = l->block_of[v];
		for (int i = 0; i < n->narg; i++) {
			Val x = n->arg[i];

			if (graph_node(g, x)->group == n->group)
				continue;
			if (l->block_of[x])
				add_once(f->a, &t->read, l->block_of[x]);
			for (size_t k = 0; k < f->makers[x].n; k++)
				add_once(f->a, &t->needs, f->makers[x].p[k]);
		}
	}
	for (uint32_t id = 1; id < l->ngroup; id++) {
		Touch *t = &l->touch[id];
		size_t kept = 0;

		if (g->group.p[id].family == FAM_none)
			continue;
		if (t->also == t->out)
			t->also = 0;
		t->work = plan_align(g->group.p[id].work);
		for (size_t i = 0; i < t->needs.n; i++)
			vec_push(f->a, &l->touch[t->needs.p[i]].feeds, id);
		/* a group that reads one part of a join and writes another uses it once */
		for (size_t i = 0; i < t->read.n; i++)
			if (t->read.p[i] != t->out && t->read.p[i] != t->also)
				t->read.p[kept++] = t->read.p[i];
		t->read.n = kept;
		for (size_t i = 0; i < t->read.n; i++)
			l->block.p[t->read.p[i]].uses++;
		l->block.p[t->out].uses++;
		if (t->also)
			l->block.p[t->also].uses++;
	}
}

/* Operands whose element i goes into element i of the out and nowhere else: the path from
 * them to the out is pointwise and of one shape, and nothing in the group sees their
 * storage another way. */
static void
find_overwrites(Find *f)
{
	const Graph *g = f->g;
	Live *l = f->l;
	bool *same = NEWN(f->a, bool, g->node.n);       /* by value: element i is for element i of the out */
	bool *other = NEWN(f->a, bool, g->node.n);      /* by value: its group uses it in another way too */

	for (size_t i = g->order.n; i--;) {
		Val v = g->order.p[i];
		const Node *n = graph_node(g, v);

		if (!n->group)
			continue;

		Val out = g->group.p[n->group].out;

		if (v == out)
			same[v] = true;

		bool pass = same[v] && !other[v] && op_info[n->op].fuse == FUSE_POINT &&
			same_dims(&n->type, &graph_node(g, out)->type);

		for (int k = 0; k < n->narg; k++)
			if (graph_node(g, n->arg[k])->group == n->group)
				*(pass ? &same[n->arg[k]] : &other[n->arg[k]]) = true;
	}
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (!n->group)
			continue;

		Touch *t = touch_of(f, v);
		const Block *o = &l->block.p[t->out];
		const Node *out = graph_node(g, g->group.p[n->group].out);

		if (o->owner != g->group.p[n->group].out)
			continue;       /* it is made inside a join */
		for (int k = 0; k < n->narg; k++) {
			Val x = n->arg[k];
			uint32_t b = l->block_of[x];

			if (graph_node(g, x)->group != n->group && b && b != t->out && b != t->also && l->block.p[b].owner == x &&
			    is_stored(g, x) && !l->block.p[b].kept && type_eq(&graph_node(g, x)->type, &out->type))
				add_once(f->a, &t->over, b);
		}
	}
	/* … and of these, take out what any member reads otherwise, or through a view */
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (!n->group)
			continue;

		Touch *t = touch_of(f, v);
		const Node *out = graph_node(g, g->group.p[n->group].out);
		bool pass = same[v] && !other[v] && op_info[n->op].fuse == FUSE_POINT && same_dims(&n->type, &out->type);

		for (int k = 0; k < n->narg; k++) {
			uint32_t b = l->block_of[n->arg[k]];
			size_t kept = 0;

			if (pass && l->block.p[b].owner == n->arg[k])
				continue;
			for (size_t i = 0; i < t->over.n; i++)
				if (t->over.p[i] != b)
					t->over.p[kept++] = t->over.p[i];
			t->over.n = kept;
		}
	}
}

const char *
live_find(Arena *a, const Graph *g, Live *l)
{
	Find f = { .a = a, .g = g, .l = l };
	Val bad;

	graph_foreach(g, v)
		if (is_stored(g, v) && !is_source(graph_node(g, v)) && !graph_node(g, v)->group)
			return "there are values that no group makes; the pass fuse comes first";
	graph_foreach(g, v)
		for (int i = 0; graph_node(g, v)->keep == KEEP_JOIN && i < graph_node(g, v)->narg; i++)
			if (is_source(graph_node(g, graph_node(g, v)->arg[i])))
				return "a join has an argument that comes from outside";
	memset(l, 0, sizeof *l);
	l->ngroup = g->group.n;
	l->touch = NEWN(a, Touch, g->group.n);
	l->block_of = NEWN(a, uint32_t, g->node.n);
	if (!storage_find(a, g, &l->at, &bad))
		return "views and joins contradict each other";
	find_blocks(&f);
	find_makers(&f);
	find_touches(&f);
	find_overwrites(&f);
	return NULL;
}
