/* work.h -- what there is to compute and to move, told from the graph.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_WORK_H
#define Y12_DRIVER_WORK_H

#include "driver/compile.h"

/* Multiply-accumulates of a group; of all if it is 0. */
int64_t group_macs(const Graph *g, uint32_t group);

/* Those of the i-th launch of an entry: its group's, told with the group's first launch.  -1: not known. */
int64_t launch_macs(const Compiled *c, const char *entry, size_t i);

/* Bytes that it reads and writes, each value once.  -1: not known. */
int64_t launch_moves(const Compiled *c, const char *entry, size_t i);

#endif
