/* nms.h -- nms's kernels for GPUs.  Private to lower/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_NMS_H
#define Y12_LOWER_NMS_H

#include "lower/gen.h"

int64_t nms_gpu_work(const Graph *g, const Group *gr);
bool lower_nms_gpu(LowerCtx *cx, uint32_t group, LoweredList *out);

#endif
