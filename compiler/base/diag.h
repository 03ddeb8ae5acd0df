/* diag.h -- sources, spans and diagnostics.
 *
 *     neck.y12:4:14: error: conv2d: w takes 64 input channels, but p4 has 128 [conv-channels]
 *         4 |   out conv2d(p4, w, pad: 1)
 *           |              ^^
 *     neck.y12:3:7: note: w is declared here, with c = 64 in Neck(64)
 *
 * Report and carry on; the driver stops between stages when diag_errors() > 0.
 * Messages use the words of the file at hand: its names and its numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DIAG_H
#define Y12_DIAG_H

#include "base/base.h"

/* A text that spans point into.  Lives as long as the Diag that owns it. */
typedef struct Source {
	const char *path;       /* as the user wrote it */
	const char *text;       /* NUL-terminated */
	size_t len;
	uint32_t id;            /* index in the Diag; 0 is "no source" */
} Source;

/* Bytes [begin, end) of a source.  {0} = nowhere: printed without a place. */
typedef struct Span { uint32_t src, begin, end; } Span;

typedef struct Diag Diag;

typedef enum { SEV_ERROR, SEV_WARNING, SEV_NOTE } Severity;

Diag *diag_new(Arena *a);

/* Takes the text over (it must outlive the Diag). */
const Source *diag_source(Diag *d, const char *path, const char *text, size_t len);
const Source *diag_source_of(const Diag *d, Span s);    /* NULL for {0} */
void diag_line_col(const Diag *d, Span s, int *line, int *col);   /* 1-based, col in bytes */
Span span_join(Span a, Span b);

void diag_error(Diag *d, Span s, const char *slug, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void diag_warning(Diag *d, Span s, const char *slug, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Belongs to the error or warning before it, and is dropped with it. */
void diag_note(Diag *d, Span s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

int diag_errors(const Diag *d);
int diag_warnings(const Diag *d);

void diag_limit(Diag *d, int limit);             /* 0: no limit */

/* Every message so far, in order.  After the first `limit` errors (default 20)
 * further ones are only counted, and the last line says how many. */
void diag_print(const Diag *d, FILE *f, bool color);
void diag_print_json(const Diag *d, FILE *f);   /* one array, LSP-like ranges */
void diag_clear(Diag *d);

/* For tests and callers that look inside. */
typedef struct DiagMsg { Severity sev; Span span; const char *slug, *text; } DiagMsg;
size_t diag_count(const Diag *d);
const DiagMsg *diag_get(const Diag *d, size_t i);

#endif
