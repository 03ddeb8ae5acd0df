/* interpret.c -- runs an entry of a program by the kernel interpreter.
 *
 * Each launch sees exactly the bytes that its arguments may reach, so a kernel that
 * leaves them is caught.  The arena is poisoned first: a value that no kernel wrote
 * shows as NaN.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "engine/program.h"

bool
program_interpret(const Program *p, const char *entry, const Tensor *in, Tensor *out, Arena *a, const char **err)
{
	const ProgEntry *e = NULL;
	uint8_t *arena;
	int64_t *dims;
	size_t ni = 0;
	char msg[512];

	for (size_t i = 0; i < p->entry.n; i++)
		if (strcmp(p->entry.p[i].name, entry) == 0)
			e = &p->entry.p[i];
	if (!e) {
		*err = arena_printf(a, "there is no entry '%s'", entry);
		return false;
	}
	arena = arena_alloc(a, (size_t)p->arena_bytes + 64);
	memset(arena, 0xff, (size_t)p->arena_bytes);
	while (ni < e->tensor.n && !e->tensor.p[ni].output)
		ni++;
	dims = NEWN(a, int64_t, e->tensor.n * MAX_RANK);
	for (size_t i = 0; i < ni; i++)
		memcpy(dims + i * MAX_RANK, in[i].data ? in[i].type.dim : e->tensor.p[i].type.dim, sizeof in[i].type.dim);
	for (size_t i = 0; i < e->launch.n; i++) {
		const ProgLaunch *l = &e->launch.p[i];
		KArg *arg = NEWN(a, KArg, l->arg.n);

		for (size_t j = 0; j < l->arg.n; j++) {
			const ProgArg *x = &l->arg.p[j];
			const ProgTensor *t = &e->tensor.p[x->tensor];

			switch (x->kind) {
			case PROG_TMAP: {       /* as the memory that it describes */
				const y12e_tmap *m = &p->tmap.p[x->tensor];
				uint64_t reach = 0;

				if (m->place == Y12E_INPUT && !in[m->tensor].data) {
					*err = arena_printf(a, "input %s is missing", e->tensor.p[m->tensor].name);
					return false;
				}
				y12e_tmap_wrong(m, &reach);
				arg[j] = (KArg){ (m->place == Y12E_ARENA ? arena : m->place == Y12E_CONST ? p->consts
				                  : (uint8_t *)in[m->tensor].data) + m->offset, (size_t)reach };
				break;
			}
			case PROG_ARENA:
				arg[j] = (KArg){ arena + x->offset, (size_t)x->bytes };
				break;
			case PROG_CONST:
				arg[j] = (KArg){ p->consts + x->offset, (size_t)x->bytes };
				break;
			case PROG_DIMS:
				arg[j] = (KArg){ dims + x->tensor * MAX_RANK, 8 * (size_t)t->type.rank };
				break;
			case PROG_INPUT:
				if (in[x->tensor].data)
					arg[j] = (KArg){ (uint8_t *)in[x->tensor].data + x->offset, x->bytes < 0
						? (size_t)type_bytes(&in[x->tensor].type) : (size_t)x->bytes };
				else if (t->offset >= 0)
					arg[j] = (KArg){ p->consts + t->offset + x->offset, (size_t)x->bytes };
				else {
					*err = arena_printf(a, "input %s is missing", t->name);
					return false;
				}
				break;
			}
		}
		if (!kernel_interpret(p->kernel.p[l->kernel], arg, l->arg.n, msg)) {
			*err = arena_printf(a, "%s (layer %s)", msg, l->layer);
			return false;
		}
	}
	for (size_t i = ni; i < e->tensor.n; i++) {
		out[i - ni].type = e->tensor.p[i].type;
		out[i - ni].data = arena_dup(a, arena + e->tensor.p[i].offset, (size_t)type_bytes(&e->tensor.p[i].type));
	}
	return true;
}
