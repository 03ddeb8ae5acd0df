/* chart.c -- the plan, drawn.
 *
 *       step   MiB alive  0                                                          11.4 MiB
 *          0       6.25   aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa                           model.0.conv
 *          1       9.38   aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb           model.1.conv
 *
 * One row a step, one letter a buffer; a gap among letters is arena that lies idle.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

enum { COLUMNS = 72 };

static double
mib(int64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static const char *
name_of_step(const Graph *g, size_t step)
{
	const Group *gr = &g->group.p[g->sched.p[step]];
	const Node *out = graph_node(g, gr->out), *root = graph_node(g, gr->root);

	return root->name ? root->name : out->name ? out->name : op_info[root->op].name;
}

static bool
alive(const Buf *b, size_t step)
{
	return b->kind == BUF_ARENA && b->bytes > 0 && b->first <= (int32_t)step && (int32_t)step <= b->last;
}

void
plan_print(FILE *f, const Graph *g)
{
	static const char letter[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	int64_t peak = MAX(g->plan.peak, 1);

	fprintf(f, "%zu steps; peak %.2f MiB, bound %.2f MiB (%+.2f %%); weights %.2f MiB, largest workspace %.2f MiB\n",
	        g->sched.n, mib(g->plan.peak), mib(g->plan.bound),
	        g->plan.bound ? 100.0 * (double)(g->plan.peak - g->plan.bound) / (double)g->plan.bound : 0,
	        mib(g->plan.weights), mib(g->plan.work));
	fprintf(f, " step     MiB  0%*.2f MiB\n", COLUMNS - 5, mib(g->plan.peak));
	for (size_t s = 0; s < g->sched.n; s++) {
		char row[COLUMNS + 1];
		int64_t live = 0;
		int used = 0;

		memset(row, ' ', COLUMNS);
		for (size_t b = 1; b < g->buf.n; b++) {
			const Buf *p = &g->buf.p[b];

			if (!alive(p, s))
				continue;
			live += p->bytes;

			int from = (int)((double)p->offset / (double)peak * COLUMNS);
			int to = (int)((double)(p->offset + p->bytes) / (double)peak * COLUMNS);

			/* however small, a buffer shows */
			for (int i = MIN(from, COLUMNS - 1); i < MIN(MAX(to, from + 1), COLUMNS); i++)
				row[i] = p->group ? '*' : letter[b % (sizeof letter - 1)];
		}
		for (int i = 0; i < COLUMNS; i++)
			if (row[i] != ' ')
				used = i + 1;
		row[used] = 0;
		fprintf(f, "%5zu %7.2f  %-*s %s\n", s, mib(live), COLUMNS, row, name_of_step(g, s));
	}
}

static void
put_escaped(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '&': fputs("&amp;", f); break;
		case '"': fputs("&quot;", f); break;
		default:
			if ((unsigned char)*s >= ' ')
				putc(*s, f);
		}
}

/* Steps run to the right, bytes upwards; each buffer tells its name and size when pointed at. */
void
plan_svg(FILE *f, const Graph *g)
{
	enum { HEIGHT = 480, LEFT = 70, TOP = 30, BOTTOM = 40 };
	double step = MIN(24.0, MAX(4.0, 1200.0 / (double)MAX(g->sched.n, 1)));
	double width = step * (double)g->sched.n, peak = (double)MAX(g->plan.peak, 1);

	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%d\" "
	        "font-family=\"sans-serif\" font-size=\"12\">\n", width + LEFT + 20, HEIGHT + TOP + BOTTOM);
	fprintf(f, "<text x=\"%d\" y=\"18\">", LEFT);
	put_escaped(f, g->name);
	fprintf(f, ": peak %.2f MiB, bound %.2f MiB, %zu steps</text>\n", mib(g->plan.peak), mib(g->plan.bound),
	        g->sched.n);
	fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"#f4f4f4\" stroke=\"#888\"/>\n",
	        LEFT, TOP, width, HEIGHT);
	for (int i = 0; i <= 4; i++)
		fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>\n", LEFT - 6,
		        TOP + HEIGHT * (1 - i / 4.0) + 4, mib(g->plan.peak) * i / 4);
	for (size_t b = 1; b < g->buf.n; b++) {
		const Buf *p = &g->buf.p[b];
		const Node *n = graph_node(g, p->owner);
		double h = (double)p->bytes / peak * HEIGHT, y = (double)p->offset / peak * HEIGHT;

		if (p->kind != BUF_ARENA || p->bytes <= 0)
			continue;
		/* neighbours in number get colours far apart on the wheel */
		fprintf(f, "<rect x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\" fill=\"hsl(%zu,55%%,%d%%)\" "
		        "stroke=\"#fff\" stroke-width=\"0.3\"><title>b%zu ", LEFT + step * p->first, TOP + HEIGHT - y - h,
		        step * (p->last - p->first + 1), h, b * 137 % 360, p->group ? 35 : 65, b);
		put_escaped(f, p->group ? "workspace" : n->name ? n->name : op_info[n->op].name);
		fprintf(f, ": %.2f MiB, steps %d to %d</title></rect>\n", mib(p->bytes), p->first, p->last);
	}
	fprintf(f, "<line x1=\"%d\" x2=\"%.1f\" y1=\"%.2f\" y2=\"%.2f\" stroke=\"#c00\" stroke-dasharray=\"4 3\"/>\n",
	        LEFT, LEFT + width, TOP + HEIGHT - (double)g->plan.bound / peak * HEIGHT,
	        TOP + HEIGHT - (double)g->plan.bound / peak * HEIGHT);
	for (size_t s = 0; s < g->sched.n; s += MAX(g->sched.n / 10, 1))
		fprintf(f, "<text x=\"%.1f\" y=\"%d\">%zu</text>\n", LEFT + step * (double)s, TOP + HEIGHT + 16, s);
	fprintf(f, "<text x=\"%d\" y=\"%d\">MiB over steps; red: the bound</text>\n", LEFT, TOP + HEIGHT + 34);
	fputs("</svg>\n", f);
}
