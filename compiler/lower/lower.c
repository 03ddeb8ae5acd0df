/* lower.c -- hands a group to its family.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

static const struct { LowerFn *lower; ChooseFn *choose; } family[FAM_COUNT] = {
#define FAMILY(name, what) [FAM_##name] = { lower_##name, choose_##name },
#include "graph/families.def"
#undef FAMILY
};

bool
lower_group(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	return family[cx->g->group.p[group].family].lower(cx, group, out, err);
}

void
lower_choose(Arena *a, const Graph *g, const Target *target, Group *gr, int *pack)
{
	*pack = 0;
	gr->ntile = 0;
	gr->work = 0;
	family[gr->family].choose(a, g, target, gr, pack);
	lower_tuned(a, g, target, gr);
}
