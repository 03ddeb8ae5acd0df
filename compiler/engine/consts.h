/* consts.h -- room for a program's constants; private to engine/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_ENGINE_CONSTS_H
#define Y12_ENGINE_CONSTS_H

#include "engine/program.h"

enum { CONST_ALIGN = 64 };

void consts_reserve(Program *p, int64_t need);
uint32_t program_dtype(DType t);          /* as y12_dtype */

#endif
