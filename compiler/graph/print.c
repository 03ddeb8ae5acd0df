/* print.c -- a graph as text.
 *
 *     graph detect(%1 image: u8[?,?,3], %2 conf: f32[1] = {0.25}) {
 *       meta names="qr,datamatrix"
 *       %3 "model.0.conv.weight" = param : f32[16,3,3,3]
 *       %9 "model.0.conv" = conv2d %1, %3 {pad=[1,1], stride=[2,2]} : f32[1,16,320,320] @5
 *       %10 = slice %9 {axis=1, begin=0, end=8} : f32[1,8,320,320] view
 *       %11 = const {0.5, 2} : f32[2]
 *       %12 = const #5f0e… : f32[16,3,3,3]          the hash of values kept elsewhere
 *       group @5 conv root=%9 out=%9 tile={14,2,16} work=512 buf=b2
 *       schedule @5
 *       buffer b1 arena owner=%9 bytes=6553600 offset=0 live=0..3
 *       buffer b2 arena group=@5 bytes=512 offset=6553600 live=0..0
 *       place %9 b1 +0 [1638400,102400,320,1]
 *       plan peak=6554112 bound=6554112 weights=1728 work=512
 *       return boxes=%9
 *     }
 *
 * What the outputs do not reach is not printed, numbers keep their gaps, and order
 * is that of graph_order.  Names that are no plain word stand in quotes.  Spans and
 * chains belong to the spec and have no text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>

#include "graph/graph.h"

enum { INLINE_MAX = 16 };

static void
print_quoted(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", f);
		else if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			putc(c, f);
	}
	putc('"', f);
}

static bool
is_word(const char *s)
{
	for (const char *p = s; *p; p++)
		if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (p > s && *p >= '0' && *p <= '9')))
			return false;
	return *s != 0;
}

static void
print_name(FILE *f, const char *s)
{
	if (is_word(s))
		fputs(s, f);
	else
		print_quoted(f, s);
}

/* A new line inside the braces of a graph. */
static void
line(FILE *f)
{
	fputs("\n  ", f);
}

static void
print_ints(FILE *f, const int64_t *v, int n)
{
	putc('[', f);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%" PRId64, i ? "," : "", v[i]);
	putc(']', f);
}

/* Element i exactly: i64 does not go through double, and i32 needs all its digits. */
static void
print_element(FILE *f, DType dt, const void *p, size_t i)
{
	char buf[40];

	if (!dtype_info[dt].real)
		fprintf(f, "%" PRId64, dt == DT_I64 ? ((const int64_t *)p)[i] :
		        (int64_t)dtype_get(dt, p, i));
	else
		fputs(fmt_real(buf, dtype_get(dt, p, i), dt != DT_F64), f);
}

static void
print_values(FILE *f, const Type *t, const void *data)
{
	int64_t n = type_count(t);

	if (n > INLINE_MAX) {
		char hex[33];

		hash_hex(hex, data, (size_t)type_bytes(t));
		fprintf(f, "#%s", hex);
		return;
	}
	putc('{', f);
	for (int64_t i = 0; i < n; i++) {
		fputs(i ? ", " : "", f);
		print_element(f, t->dt, data, (size_t)i);
	}
	putc('}', f);
}

static void
print_body(FILE *f, const Graph *body)
{
	char *text = NULL;
	size_t n = 0;
	FILE *m = open_memstream(&text, &n);

	if (!m)
		return;
	graph_print(m, body);
	fclose(m);
	for (size_t i = 0; i + 1 < n; i++) {
		putc(text[i], f);
		if (text[i] == '\n')
			fputs("    ", f);
	}
	free(text);
}

static void
print_attr(FILE *f, const Attr *a)
{
	char buf[40];

	fprintf(f, "%s=", attr_info[a->key].name);
	switch (attr_info[a->key].kind) {
	case ATTR_INT:
		fprintf(f, "%" PRId64, a->i);
		break;
	case ATTR_REAL:
		fputs(fmt_real(buf, a->r, false), f);
		break;
	case ATTR_STR:
		print_quoted(f, a->s);
		break;
	case ATTR_INTS:
		print_ints(f, a->v, a->n);
		break;
	case ATTR_BODY:
		print_body(f, a->g);
		break;
	}
}

static void
print_node(FILE *f, Arena *a, const Graph *g, Val v)
{
	static const char *const keep[] = { "", " view", " join" };
	const Node *n = &g->node.p[v];

	line(f);
	fprintf(f, "%%%u ", v);
	if (n->name) {
		print_quoted(f, n->name);
		putc(' ', f);
	}
	fprintf(f, "= %s", n->op > OP_none && n->op < OP_COUNT ? op_info[n->op].name : "none");
	for (int i = 0; i < n->narg; i++)
		fprintf(f, "%s%%%u", i ? ", " : " ", n->arg[i]);
	if (n->data) {
		putc(' ', f);
		print_values(f, &n->type, n->data);
	}
	for (int i = 0; i < n->nattr; i++) {
		fputs(i ? ", " : " {", f);
		print_attr(f, &n->attr[i]);
	}
	fprintf(f, "%s : %s", n->nattr ? "}" : "", type_text(a, &n->type));
	if (n->group)
		fprintf(f, " @%u", n->group);
	fputs(keep[n->keep], f);
}

static void
print_head(FILE *f, Arena *a, const Graph *g)
{
	fputs("graph ", f);
	print_name(f, g->name);
	putc('(', f);
	for (size_t i = 0; i < g->input.n; i++) {
		const Node *n = &g->node.p[g->input.p[i]];

		fprintf(f, "%s%%%u ", i ? ", " : "", g->input.p[i]);
		print_name(f, n->name ? n->name : "");
		fprintf(f, ": %s", type_text(a, &n->type));
		if (n->data) {
			fputs(" = ", f);
			print_values(f, &n->type, n->data);
		}
	}
	fputs(") {", f);
	for (size_t i = 0; i < map_count(g->meta); i++) {
		line(f);
		fputs("meta ", f);
		print_name(f, map_key(g->meta, i));
		putc('=', f);
		print_quoted(f, map_value(g->meta, i));
	}
}

static void
print_groups(FILE *f, const Graph *g)
{
	for (size_t i = 1; i < g->group.n; i++) {
		const Group *p = &g->group.p[i];

		if (p->family == FAM_none)
			continue;
		line(f);
		fprintf(f, "group @%zu %s root=%%%u out=%%%u", i, family_name[p->family], p->root, p->out);
		if (p->also)
			fprintf(f, " also=%%%u", p->also);
		for (int t = 0; t < p->ntile; t++)
			fprintf(f, "%s%" PRId32, t ? "," : " tile={", p->tile[t]);
		fprintf(f, "%s work=%" PRId64, p->ntile ? "}" : "", p->work);
		if (p->work_buf)
			fprintf(f, " buf=b%u", p->work_buf);
	}
	if (g->sched.n) {
		line(f);
		fputs("schedule", f);
		for (size_t i = 0; i < g->sched.n; i++)
			fprintf(f, " @%u", g->sched.p[i]);
	}
}

static void
print_plan(FILE *f, const Graph *g, const Graph *ordered)
{
	static const char *const kind[] = { "none", "arena", "const", "input" };

	for (size_t i = 1; i < g->buf.n; i++) {
		const Buf *b = &g->buf.p[i];

		if (b->kind == BUF_NONE)
			continue;
		line(f);
		fprintf(f, "buffer b%zu %s", i, kind[b->kind]);
		if (b->owner)
			fprintf(f, " owner=%%%u", b->owner);
		if (b->group)
			fprintf(f, " group=@%u", b->group);
		fprintf(f, " bytes=%" PRId64 " offset=%" PRId64 " live=%" PRId32 "..%" PRId32,
		        b->bytes, b->offset, b->first, b->last);
	}
	graph_foreach(ordered, v) {
		const Node *n = &g->node.p[v];

		if (!n->place.buf)
			continue;
		line(f);
		fprintf(f, "place %%%u b%u +%" PRId64 " ", v, n->place.buf, n->place.offset);
		print_ints(f, n->place.stride, n->type.rank);
	}

	const Plan *p = &g->plan;

	if (p->peak | p->bound | p->weights | p->work) {
		line(f);
		fprintf(f, "plan peak=%" PRId64 " bound=%" PRId64 " weights=%" PRId64 " work=%" PRId64,
		        p->peak, p->bound, p->weights, p->work);
	}
}

void
graph_print(FILE *f, const Graph *g)
{
	Arena *a = arena_new();
	Graph ordered = graph_ordered(a, g);

	print_head(f, a, g);
	graph_foreach(&ordered, v)
		if (g->node.p[v].op != OP_input)
			print_node(f, a, g, v);
	print_groups(f, g);
	print_plan(f, g, &ordered);
	if (g->output.n) {
		line(f);
		fputs("return ", f);
	}
	for (size_t i = 0; i < g->output.n; i++) {
		fputs(i ? ", " : "", f);
		if (g->output.p[i].name) {
			print_name(f, g->output.p[i].name);
			putc('=', f);
		}
		fprintf(f, "%%%u", g->output.p[i].v);
	}
	fputs("\n}\n", f);
	arena_free(a);
}

void
graph_consts(const Graph *g, Map *consts)
{
	Arena *a = arena_new();
	Graph ordered = graph_ordered(a, g);    /* what is not printed is not wanted either */

	graph_foreach(&ordered, v) {
		const Node *n = &g->node.p[v];

		if (n->data && type_count(&n->type) > INLINE_MAX) {
			ConstData *c = NEW(g->a, ConstData);
			char hex[33];

			*c = (ConstData){ n->type, n->data };
			hash_hex(hex, n->data, (size_t)type_bytes(&n->type));
			map_set(consts, hex, c);
		}
	}
	arena_free(a);
}

void
module_print(FILE *f, const GraphModule *m)
{
	for (size_t i = 0; i < m->graph.n; i++) {
		if (i)
			putc('\n', f);
		graph_print(f, m->graph.p[i]);
	}
}
