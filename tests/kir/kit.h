/* kit.h -- what the tests of kir/ share: kernels from text, and arguments for them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef KIR_KIT_H
#define KIR_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "kir/kir.h"

static inline char *
kit_print(Arena *a, const Kernel *k)
{
	char *p = NULL, *copy;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	assert_non_null(f);
	kernel_print(f, k);
	fclose(f);
	copy = arena_strn(a, p, n);
	free(p);
	return copy;
}

/* All kernels of a text, or NULL and the messages on stderr if `loud`. */
static inline KernelList *
kit_parse_all(Arena *a, const char *text, bool loud)
{
	Diag *d = diag_new(a);
	const Source *s = diag_source(d, "test.k", arena_str(a, text), strlen(text));
	KernelList *l = kernel_parse(a, d, s, NULL);

	if (!l) {
		assert_true(diag_errors(d) > 0);
		if (loud)
			diag_print(d, stderr, false);
	}
	return l;
}

static inline Kernel *
kit_parse(Arena *a, const char *text)
{
	KernelList *l = kit_parse_all(a, text, true);

	assert_non_null(l);
	assert_int_equal(l->k.n, 1);
	return l->k.p[0];
}

/* Runs it; the error, or NULL. */
static inline const char *
kit_run(Arena *a, const Kernel *k, const KArg *arg, size_t narg)
{
	char err[512];

	if (kernel_interpret(k, arg, narg, err)) {
		assert_string_equal(err, "");
		return NULL;
	}
	assert_string_not_equal(err, "");
	return arena_str(a, err);
}

static inline void
kit_expect_error(const char *have, const char *wanted)
{
	if (!have || !strstr(have, wanted)) {
		fprintf(stderr, "wanted: %s\nhave:   %s\n", wanted, have ? have : "no error");
		fail();
	}
}

#define ARG(x) ((KArg){ (x), sizeof(x) })

#endif
