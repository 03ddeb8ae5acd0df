/* model_info.h -- what a model is made of: parameters and work, layer by layer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_MODEL_INFO_H
#define Y12_MODEL_INFO_H

#include "elab/elab.h"

typedef struct LayerInfo {
	int index;                      /* -1: what lies outside `layers` */
	const char *block, *args, *out; /* "Conv", "16, k: 3, s: 2", "f32[1,16,320,320]" */
	int64_t params;                 /* unfused: batch norms count */
	int64_t fused;                  /* after each batch norm went into its convolution */
	int64_t conv_macs;              /* convolutions, and sums over a product with a parameter */
	int64_t attn_macs;              /* q k' and p v */
	int64_t matmul_macs;
	int64_t norm_elements;          /* of batch norm results */
	int64_t resize_elements;        /* of nearest upsampling results */
} LayerInfo;

typedef struct ModelInfo {
	const Elab *elab;
	const char *entry;              /* that the work was counted in */
	VEC(LayerInfo) layer;
	LayerInfo total;
	int64_t trainable;              /* of total.params */
	int convs, norms;
	size_t nparam, nbuffer;         /* entries of a file */
	/* GFLOPs as YOLO releases print them: twice the convolutions' products, 4 for each element
	 * of a batch norm (unfused) and 1 for each of an upsampling; attention, activations and
	 * additions are left out. */
	double gflops, gflops_fused;
	double gflops_all;              /* twice all products */
} ModelInfo;

/* Counted in the first entry of the module, for one picture of its batch. */
ModelInfo *model_info(Arena *a, const Elab *e);
void model_info_print(FILE *f, const ModelInfo *m);

#endif
