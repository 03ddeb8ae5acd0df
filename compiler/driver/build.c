/* build.c -- `yolo12c compile`: a network and its weights as one engine file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/backend.h"
#include "driver/stage.h"
#include "driver/verb.h"

int
verb_compile(const Options *o)
{
	Diag *d = diag_new(o->a);
	CompileOptions co;
	const char *err;
	Stage s = { 0 };

	if (!verb_needs(o, KEY_model, KEY_out))
		return EXIT_USAGE;
	if (verb_compile_options(o, d, &co)) {
		co.cache_dir = cache_dir_default(o->a);
		if (stage_open(o->a, d, o->model, &co, &s) && stage_engine(o->a, d, &s)) {
			if ((err = file_write(o->a, o->out, s.c.image, s.c.image_bytes)))
				diag_error(d, (Span){ 0 }, "write", "%s", err);
			else if (!o->quiet)
				fprintf(stderr, "%s: %.1f MB for %s; it needs %.1f MB of memory beside\n", o->out, 1e-6 * (double)s.c.image_bytes,
				        s.o.target ? s.o.target->name : target_host()->name,
				        s.c.program ? 1e-6 * (double)s.c.program->arena_bytes : 0);
		}
	}
	stage_close(&s);
	return verb_end(d);
}
