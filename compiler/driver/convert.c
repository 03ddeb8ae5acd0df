/* convert.c -- `yolo12c convert`: a checkpoint becomes a safetensors file, which runs nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/verb.h"

int
verb_convert(const Options *o)
{
	Diag *d = diag_new(o->a);
	DType real = o->dtype ? dtype_named(o->dtype) : DT_NONE;
	const char *err;
	Weights *w;

	if (!verb_needs(o, KEY_weights, KEY_out))
		return EXIT_USAGE;
	if (o->dtype && !dtype_info[real].real)
		return verb_usage(o, "dtype=%s: it must be f16, bf16, f32 or f64", o->dtype);
	if ((w = weights_open(o->a, o->weights, d))) {
		if ((err = weights_save_safetensors(o->a, w, o->out, real)))
			diag_error(d, (Span){ 0 }, "write", "%s", err);
		else if (!o->quiet)
			fprintf(stderr, "%s: %s\n", o->out, weights_says(o->a, w));
	}
	weights_close(w);
	return verb_end(d);
}
