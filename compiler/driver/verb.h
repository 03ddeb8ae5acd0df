/* verb.h -- what the verbs that look at a network have in common.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_VERB_H
#define Y12_DRIVER_VERB_H

#include "driver/help.h"
#include "runtime/yolo12c.h"

/* What the user gave, and no more: a model has its own defaults.  False: an error is in d. */
bool verb_compile_options(const Options *o, Diag *d, CompileOptions *co);

/* The device of device=, looked at.  False: an error is in d. */
bool verb_device(const Options *o, Diag *d, y12_gpu *gpu);

/* The newest target whose code a GPU runs; NULL: it is too old for all of them, an error is in d. */
const Target *verb_target_for(Diag *d, const y12_gpu *gpu);

/* True if s is Y12_OK; else what the engine says is an error in d. */
bool verb_status(Diag *d, y12_status s, const y12_engine *e);

/* Opens an engine in memory.  False: an error is in d; *out is to be closed all the same. */
bool verb_open(Diag *d, const void *image, size_t bytes, const y12_options *opt, y12_engine **out);

/* Whether device= names a GPU, as far as its spelling tells. */
bool verb_on_gpu(const Options *o);

/* precision=, cubin=, pdl= and lanes=, as said or by the environment.  NULL, or what is wrong with them. */
const char *verb_code_options(const Options *o, CompileOptions *co);

/* EXIT_OK without errors; EXIT_INPUT if what was given is at fault, EXIT_RESOURCES if the machine lacks something,
 * EXIT_FAILED if neither.  verb_end() prints what is in d to standard error as well. */
int verb_code(const Diag *d);
int verb_end(const Diag *d);

/* A usage error in one line, and its exit code. */
int verb_usage(const Options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether these keys were given; says so if not. */
#define verb_needs(o, ...) \
	verb_needs_(o, (const KeyId[]){ __VA_ARGS__ }, sizeof((const KeyId[]){ __VA_ARGS__ }) / sizeof(KeyId))
bool verb_needs_(const Options *o, const KeyId *key, size_t n);

bool ends_with(const char *s, const char *tail);

#endif
