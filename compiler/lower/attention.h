/* attention.h -- attention's kernels for GPUs.  Private to lower/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_ATTENTION_H
#define Y12_LOWER_ATTENTION_H

#include "lower/gen.h"

void choose_attention_gpu(const Graph *g, const Target *t, Group *gr, int *pack);
bool lower_attention_gpu(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err);
bool lower_attention_plain(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err);

/* for tuning */
const char *attention_key(Arena *a, const Graph *g, const Target *t, const Group *gr);
int attention_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most);

#endif
