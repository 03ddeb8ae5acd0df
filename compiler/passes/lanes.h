/* lanes.h -- which steps of a planned graph may run at the same time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PASSES_LANES_H
#define Y12_PASSES_LANES_H

#include "graph/graph.h"

/* A step runs behind the steps before it in its lane, and behind those of other lanes in `after`. */
typedef struct LaneStep {
	uint32_t lane;
	VEC(uint32_t) after;
} LaneStep;

/* One for each step of the schedule, at most `most` lanes.  g has a plan. */
LaneStep *lanes_find(Arena *a, const Graph *g, uint32_t most);

#endif
