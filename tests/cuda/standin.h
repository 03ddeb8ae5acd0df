/* standin.h -- a driver for machines without a GPU, and what tests ask of it.
 *
 * The library answers to the name libcuda.so.1 and exports the functions of
 * runtime/core/cuda.def.  "Device" memory is host memory under addresses that fault when
 * they are touched; what is queued in a stream waits until somebody waits for the
 * stream; kernels are kernel IR, run by the interpreter, which watches every access:
 *
 *     // y12-kir                    in place of PTX: the kernels of a module follow
 *     \177ELFy12-kir sm_90 ...      what cuLink makes of that
 *
 * From outside it is set by the environment, read when it is loaded:
 *
 *     Y12_STANDIN_SM=90  Y12_STANDIN_GPUS=2  Y12_STANDIN_MEMORY=bytes  Y12_STANDIN_DRIVER=12040
 *     Y12_STANDIN_FAIL=n  Y12_STANDIN_ERROR=code      the n-th call fails
 *     Y12_STANDIN_LOG=file                            a line for each call, and what was left at the end
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_CUDA_STANDIN_H
#define TESTS_CUDA_STANDIN_H

/* what: "sm", "gpus", "memory", "driver", "fail" (the n-th call from now, which "calls" then counts; 0: none),
 *       "error"                                          set it; returns what it was
 *       "calls", "launches", "early" (programmatic launches), "maps", "links"   since "fail" was set last
 *       "live" objects, "memory_used", "stack" (contexts pushed by this thread) */
typedef long StandinFn(const char *what, long value);   /* "y12_standin" */
/* The call that failed on request, NULL if none did. */
typedef const char *StandinFailedFn(void);              /* "y12_standin_failed" */
/* What a kernel or a check complained about, "" if nothing did; forgotten by asking. */
typedef const char *StandinComplaintFn(void);           /* "y12_standin_complaint" */

#endif
