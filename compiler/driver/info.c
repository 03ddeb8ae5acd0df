/* info.c -- `yolo12c info`: what a network is made of, layer by layer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>

#include "driver/verb.h"
#include "elab/model_info.h"

static json_t *
row(const LayerInfo *l)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "params", (json_int_t)l->params, "params_fused", (json_int_t)l->fused,
	                 "conv_macs", (json_int_t)l->conv_macs, "attention_macs", (json_int_t)l->attn_macs,
	                 "matmul_macs", (json_int_t)l->matmul_macs);
}

static void
print_json(const ModelInfo *m)
{
	json_t *o = row(&m->total), *layers = json_array(), *args = json_object();

	for (size_t i = 0; i < map_count(m->elab->arg); i++)
		json_object_set_new(args, map_key(m->elab->arg, i), json_string(map_value(m->elab->arg, i)));
	for (size_t i = 0; i < m->layer.n; i++) {
		const LayerInfo *l = &m->layer.p[i];
		json_t *r = row(l);

		if (l->index >= 0)
			json_object_set_new(r, "layer", json_integer(l->index));
		json_object_set_new(r, "block", json_string(l->block));
		json_object_set_new(r, "args", json_string(l->args));
		json_object_set_new(r, "out", json_string(l->out));
		json_array_append_new(layers, r);
	}
	json_object_set_new(o, "model", json_string(m->elab->model));
	json_object_set_new(o, "entry", json_string(m->entry));
	json_object_set_new(o, "arguments", args);
	json_object_set_new(o, "trainable", json_integer(m->trainable));
	json_object_set_new(o, "convolutions", json_integer(m->convs));
	json_object_set_new(o, "batch_norms", json_integer(m->norms));
	json_object_set_new(o, "file_parameters", json_integer((json_int_t)m->nparam));
	json_object_set_new(o, "file_buffers", json_integer((json_int_t)m->nbuffer));
	json_object_set_new(o, "gflops", json_real(m->gflops));
	json_object_set_new(o, "gflops_fused", json_real(m->gflops_fused));
	json_object_set_new(o, "gflops_all", json_real(m->gflops_all));
	json_object_set_new(o, "layers", layers);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

int
verb_info(const Options *o)
{
	Diag *d = diag_new(o->a);
	Compiled c = { 0 };
	CompileOptions co;

	if (!verb_needs(o, KEY_model))
		return EXIT_USAGE;
	if (verb_compile_options(o, d, &co) && compile_front(o->a, d, &co, &c)) {
		ModelInfo *m = model_info(o->a, c.elab);

		if (o->json)
			print_json(m);
		else
			model_info_print(stdout, m);
	}
	weights_close(c.weights);
	return verb_end(d);
}
