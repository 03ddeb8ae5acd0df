/* verb.h -- what the verbs that look at a network have in common.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_VERB_H
#define Y12_DRIVER_VERB_H

#include "driver/help.h"

/* What the user gave, and no more: a model has its own defaults.  False: an error is in d. */
bool verb_compile_options(const Options *o, Diag *d, CompileOptions *co);

/* The device of device=: looked for, and co->target set to code for it if target= does not say.  False: said on
 * stderr, *code is what to exit with. */
bool verb_device(const Options *o, CompileOptions *co, int *code);

/* precision=, cubin= and pdl=, as said or by the environment.  NULL, or what is wrong with them. */
const char *verb_code_options(const Options *o, CompileOptions *co);

/* Prints what is in d to standard error.  EXIT_OK without errors; EXIT_INPUT if what was given is at fault,
 * EXIT_FAILED if it is not. */
int verb_end(const Diag *d);

/* A usage error in one line, and its exit code. */
int verb_usage(const Options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether these keys were given; says so if not. */
#define verb_needs(o, ...) \
	verb_needs_(o, (const KeyId[]){ __VA_ARGS__ }, sizeof((const KeyId[]){ __VA_ARGS__ }) / sizeof(KeyId))
bool verb_needs_(const Options *o, const KeyId *key, size_t n);

bool ends_with(const char *s, const char *tail);

#endif
