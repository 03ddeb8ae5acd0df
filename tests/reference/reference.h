/* reference.h -- what the tests against the reference implementation's numbers share.
 *
 *     spec, weights ─▶ net_open ─▶ engine with more outputs ── net_run ─▶ tensors
 *                                                                           │ like_table
 *     tables of sums, norms, samples (JSON) ────────────────────────────────┘
 *
 * Numbers that may be given away lie in tests/; others are looked for in the folder that
 * Y12_REFERENCE names (default: ../shared/reference beside the sources), and a test that needs them
 * is skipped without.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_REFERENCE_TEST_H
#define Y12_REFERENCE_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "driver/compile.h"
#include "runtime/yolo12c.h"

/* Of the reference; where the file is not at hand, the test that asks is skipped, and its arena given back. */
const char *reference(Arena *a, const char *path);
/* Of the source tree; of the build tree. */
const char *in_source(Arena *a, const char *path);
const char *in_build(Arena *a, const char *path);

json_t *json_file(const char *path);    /* fails the test if it can't be read */
double json_number(const json_t *o, const char *key);
Tensor npy_file(Arena *a, const char *path);

/* ---- networks ----------------------------------------------------------------------- */

typedef struct Net {
	Arena *a;
	Diag *d;
	Compiled c;
	y12_engine *eng;
	const char *entry;
} Net;

typedef struct NetSpec {
	const char *scale, *entry;
	const char *weights;            /* NULL: hash weights */
	int64_t frame[2];
	int batch;                      /* 0: 1 */
	const char *classes;            /* of hash weights; NULL: 80 */
	bool layers;                    /* every layer becomes an output too: "model.0" … */
	const char *const *inner;       /* NULL-terminated: what these modules give as well */
} NetSpec;

/* Compiles for this machine, in memory, with every pass verified; fails the test with the messages. */
Net net_open(const NetSpec *s);
void net_close(Net *n);

/* Runs the entry on one input, as machine code or in the interpreter; the tensor of that output is in n->a. */
void net_run(Net *n, const Tensor *in);
void net_interpret(Net *n, const Tensor *in);
Tensor net_output(Net *n, const char *name);
size_t net_outputs(const Net *n);
const char *net_output_name(const Net *n, size_t i);

/* u(j, k) of the synthetic weights and pictures. */
uint32_t hash_word(uint64_t j, uint64_t k);
double hash_unit(uint64_t j, uint64_t k);

/* ---- comparing ------------------------------------------------------------------------ */

/* x against {shape, sum, l2, min?, max?, samples or at: [[index, value] …]}: relative L2 of the samples, of the
 * norm, the sum and the limits, within tol.  Returns the largest of them. */
double like_table(const char *what, const Tensor *x, const json_t *want, double tol);

/* Largest |difference| of rows 0..3 (boxes) and of the rest (scores) of an output [1, 4 + nc, A]. */
void output_distance(const Tensor *got, const Tensor *want, double *box, double *score);

double relative_l2(const Tensor *got, const Tensor *want);

#endif
