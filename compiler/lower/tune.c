/* tune.c -- tiles that were measured, in place of those that a model chose.
 *
 *     conv f16 3x3s2p1 g1 1x80x80x64 -> 40x40x128   ->   128 64 64 4 2 2 0
 *
 * A row's key says all that a family's choice depends on, and the target's name is that of the
 * table.  What stands in a table is only a wish: the tile must be one that the family would make
 * for the group, so a table from elsewhere, or a damaged one, cannot make a wrong kernel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "lower/attention.h"
#include "lower/conv_mma.h"

enum { CANDIDATES = 4096 };

static const struct {
	const char *(*key)(Arena *a, const Graph *g, const Target *t, const Group *gr);
	int (*candidates)(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most);
} family[FAM_COUNT] = {
	[FAM_conv] = { conv_key, conv_candidates },
	[FAM_chain] = { chain_key, chain_candidates },
	[FAM_pair] = { pair_key, pair_candidates },
	[FAM_attention] = { attention_key, attention_candidates },
};

const char *
lower_tune_key(Arena *a, const Graph *g, const Target *t, const Group *gr)
{
	return family[gr->family].key ? family[gr->family].key(a, g, t, gr) : NULL;
}

static int
by_cost(const void *x, const void *y)
{
	const LowerTile *a = x, *b = y;

	return a->cost != b->cost ? (a->cost < b->cost ? -1 : 1) : memcmp(a->tile, b->tile, sizeof a->tile);
}

int
lower_candidates(Arena *a, const Graph *g, const Target *t, const Group *gr, LowerTile **out)
{
	int n;

	*out = NULL;
	if (!family[gr->family].candidates)
		return 0;
	*out = NEWN(a, LowerTile, CANDIDATES);
	n = family[gr->family].candidates(g, t, gr, *out, CANDIDATES);
	qsort(*out, (size_t)n, sizeof **out, by_cost);
	return n;
}

bool
lower_has_tile(Arena *a, const Graph *g, const Target *t, const Group *gr)
{
	LowerTile *all;
	int n = gr->ntile ? lower_candidates(a, g, t, gr, &all) : 0;

	for (int i = 0; i < n; i++)
		if (memcmp(all[i].tile, gr->tile, sizeof all[i].tile) == 0)
			return true;
	return n == 0;
}

void
lower_tuned(Arena *a, const Graph *g, const Target *t, Group *gr)
{
	const char *key = t->tuned ? lower_tune_key(a, g, t, gr) : NULL;
	const int32_t *wish = key ? map_get(t->tuned, key) : NULL;
	LowerTile *all;
	int n;

	if (!wish)
		return;
	n = lower_candidates(a, g, t, gr, &all);
	for (int i = 0; i < n; i++)
		if (memcmp(all[i].tile, wish, sizeof all[i].tile) == 0) {
			memcpy(gr->tile, wish, sizeof gr->tile);
			return;
		}
}
