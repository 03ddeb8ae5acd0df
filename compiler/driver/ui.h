/* ui.h -- what the user sees beside the results, all of it on stderr.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_UI_H
#define Y12_UI_H

#include "base/base.h"

/* auto, always or never; false: none of them. */
bool ui_set_color(const char *choice);

/* If not said otherwise: a terminal, and NO_COLOR is not set. */
bool ui_color(FILE *f);

void ui_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ui_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ui_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ui_lines(const char *lines);       /* an error for each line of a text */

/* A bar, on terminals only; another call with done == total takes it away. */
void ui_progress(size_t done, size_t total);

/* From now on SIGINT and SIGTERM only set what ui_interrupted() says; the second one
 * ends the process as usual. */
void ui_catch_interrupts(void);
bool ui_interrupted(void);

#endif
