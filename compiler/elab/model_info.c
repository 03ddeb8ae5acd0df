/* model_info.c -- parameters and multiply-accumulates, layer by layer.
 *
 * Counting is by graph operations, not by blocks: whatever a block is called, its
 * convolutions are conv2d nodes.  A sum over a product with a parameter is a
 * convolution by another name (the expectation over bins in the head is one in
 * published counts), so it counts as one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/model_info.h"

#include <stdlib.h>

static int64_t
conv_macs(const Graph *g, const Node *n)
{
	const Type *w = &graph_node(g, n->arg[1])->type;

	return type_count(&n->type) * w->dim[1] * w->dim[2] * w->dim[3];
}

/* q k' and p v: each token with all of its run, in all channels of q and of v */
static int64_t
attention_macs(const Graph *g, const Node *n)
{
	const Type *q = &graph_node(g, n->arg[0])->type, *v = &n->type;
	int64_t tokens = v->dim[2] * v->dim[3];

	return v->dim[0] * (q->dim[1] + v->dim[1]) * tokens * (tokens / attr_int(n, A_windows, 1));
}

static int64_t
matmul_macs(const Graph *g, const Node *n)
{
	const Type *a = &graph_node(g, n->arg[0])->type;

	return type_count(&n->type) * a->dim[a->rank - (attr_int(n, A_ta, 0) ? 2 : 1)];
}

static bool
is_parameter(const Graph *g, Val v)
{
	const Node *n = graph_node(g, v);

	while (n->op == OP_reshape || n->op == OP_broadcast || n->op == OP_permute)
		n = graph_node(g, n->arg[0]);
	return n->op == OP_param;
}

/* products in sum(a * b), if one of the two is a parameter */
static int64_t
contraction_macs(const Graph *g, const Node *n)
{
	const Node *m = graph_node(g, n->arg[0]);

	if (m->op != OP_mul || !(is_parameter(g, m->arg[0]) || is_parameter(g, m->arg[1])))
		return 0;
	return type_count(&m->type);
}

static void
count(ModelInfo *m, LayerInfo *l, const Graph *g, const Node *n)
{
	int64_t macs;

	switch (n->op) {
	case OP_conv2d:
		l->conv_macs += conv_macs(g, n);
		m->convs++;
		break;
	case OP_sum:
		if ((macs = contraction_macs(g, n))) {
			l->conv_macs += macs;
			m->convs++;
		}
		break;
	case OP_attention:
		l->attn_macs += attention_macs(g, n);
		break;
	case OP_matmul:
		l->matmul_macs += matmul_macs(g, n);
		break;
	case OP_resize:
		l->resize_elements += type_count(&n->type);
		break;
	case OP_batch_norm: {
		const Node *x = graph_node(g, n->arg[0]);

		l->norm_elements += type_count(&n->type);
		m->norms++;
		/* a bias takes the place of weight and bias; there may be one already */
		if (x->op == OP_conv2d)
			l->fused -= n->type.dim[1] * (x->narg > 2 ? 2 : 1);
		break;
	}
	default:
		break;
	}
}

#define FIELDS(F) F(params) F(fused) F(conv_macs) F(attn_macs) F(matmul_macs) F(norm_elements) F(resize_elements)

ModelInfo *
model_info(Arena *a, const Elab *e)
{
	ModelInfo *m = NEW(a, ModelInfo);
	const Graph *g = e->module->graph.p[0];
	int64_t batch = 1;
	LayerInfo rest = { .index = -1, .block = "", .args = "", .out = "" };

	m->elab = e;
	m->entry = g->name;
	for (size_t i = 0; i < e->layer.n; i++) {
		const ElabLayer *l = &e->layer.p[i];
		LayerInfo info = { .index = l->index, .block = l->block, .args = l->args };
		Text out = { .a = a };

		for (size_t k = 0; k < l->out.n && k < 6; k++)
			text_printf(&out, "%s%s", k ? " " : "", type_text(a, &graph_node(l->g, l->out.p[k])->type));
		if (l->out.n > 6)
			text_put(&out, " ...");
		info.out = text_str(&out);
		vec_push(a, &m->layer, info);
	}
	vec_push(a, &m->layer, rest);

	/* layers are in the order in which their nodes were made */
	size_t at = 0;

	if (map_has(e->arg, "batch"))
		batch = MAX(atoll(map_get(e->arg, "batch")), 1);
	for (Val v = 1; v < g->node.n; v++) {
		while (at < e->layer.n && v >= e->layer.p[at].end)
			at++;
		bool in = at < e->layer.n && v >= e->layer.p[at].first;

		count(m, &m->layer.p[in ? at : e->layer.n], g, graph_node(g, v));
	}
	for (size_t i = 0; i < e->param.n; i++) {
		const ElabParam *p = &e->param.p[i];
		size_t k = 0;

		if (p->buffer) {
			m->nbuffer++;
			continue;
		}
		while (k < e->layer.n && e->layer.p[k].index != p->layer)
			k++;
		m->nparam++;
		m->layer.p[k].params += type_count(&p->type);
		m->layer.p[k].fused += type_count(&p->type);
		m->trainable += p->frozen ? 0 : type_count(&p->type);
	}
	for (size_t i = 0; i < m->layer.n; i++) {
		LayerInfo *l = &m->layer.p[i];

		l->conv_macs /= batch;
		l->attn_macs /= batch;
		l->matmul_macs /= batch;
		l->norm_elements /= batch;
		l->resize_elements /= batch;
#define ADD(field) m->total.field += l->field;
		FIELDS(ADD)
#undef ADD
	}

	const LayerInfo *t = &m->total;
	double printed = 2.0 * (double)(t->conv_macs + t->resize_elements);

	m->gflops_fused = printed / 1e9;
	m->gflops = (printed + 2.0 * 4 * (double)t->norm_elements) / 1e9;
	m->gflops_all = 2.0 * (double)(t->conv_macs + t->attn_macs + t->matmul_macs) / 1e9;
	return m;
}

/* ---- as a table --------------------------------------------------------------------------- */

/* 2553904 -> "2,553,904" */
static const char *
grouped(char buf[32], int64_t x)
{
	char raw[24];
	int n = snprintf(raw, sizeof(raw), "%lld", (long long)x), k = 0;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0 && raw[i - 1] != '-')
			buf[k++] = ',';
		buf[k++] = raw[i];
	}
	buf[k] = '\0';
	return buf;
}

static void
print_row(FILE *f, const char *index, const char *what, const LayerInfo *l, const char *out)
{
	char p[32];

	fprintf(f, "%5s  %-40s %13s %12.3f ", index, what, grouped(p, l->params), (double)l->conv_macs / 1e6);
	if (l->attn_macs + l->matmul_macs)
		fprintf(f, "%12.3f", (double)(l->attn_macs + l->matmul_macs) / 1e6);
	else
		fprintf(f, "%12s", "");
	fprintf(f, "  %s\n", out);
}

void
model_info_print(FILE *f, const ModelInfo *m)
{
	char buf[160], num[16], a[32], b[32];
	const Elab *e = m->elab;

	fprintf(f, "%s", e->model);
	for (size_t i = 0; i < map_count(e->arg); i++)
		if (!strcmp(map_key(e->arg, i), "scale") || !strcmp(map_key(e->arg, i), "classes"))
			fprintf(f, "  %s=%s", map_key(e->arg, i), (const char *)map_value(e->arg, i));
	fprintf(f, "\n\n%5s  %-40s %13s %12s %12s  %s\n", "layer", "block", "parameters", "conv MMAC", "attn MMAC", "out");
	for (size_t i = 0; i < m->layer.n; i++) {
		const LayerInfo *l = &m->layer.p[i];

		if (l->index < 0 && !l->params && !l->conv_macs)
			continue;
		snprintf(num, sizeof(num), "%d", l->index);
		snprintf(buf, sizeof(buf), "%s(%s)", l->block, l->args);
		if (strlen(buf) > 40)
			memcpy(buf + 37, "...", 4);
		print_row(f, l->index < 0 ? "" : num, l->index < 0 ? "outside the layers" : buf, l, l->out);
	}
	print_row(f, "", "total", &m->total, "");
	fprintf(f, "\nparameters   %s, of these trained %s", grouped(a, m->total.params), grouped(b, m->trainable));
	fprintf(f, "; fused %s\n", grouped(a, m->total.fused));
	fprintf(f, "file         %zu parameters and %zu buffers; %d convolutions, %d batch norms\n", m->nparam, m->nbuffer,
	        m->convs, m->norms);
	fprintf(f, "GFLOPs       %.1f as releases count, fused %.1f; %.2f with the attention products\n", m->gflops,
	        m->gflops_fused, m->gflops_all);
}
