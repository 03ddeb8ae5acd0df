/* help.h -- what yolo12c says of itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_HELP_H
#define Y12_HELP_H

#include "driver/options.h"

void usage(FILE *f);

#define VERB(name, operands, help) VerbFn verb_##name;
#include "driver/verbs.def"
#undef VERB

#endif
