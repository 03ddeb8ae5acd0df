/* frontend.c -- what lies round the compiler's steps: where models and libraries are,
 * what the model is told, what the engine tells.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/inner.h"

static const char *
folder_of_executable(Arena *a)
{
	char buf[4096];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof buf - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	buf[n] = 0;
	/* libtool keeps the real program in .libs */
	if ((slash = strrchr(buf, '/')))
		*slash = 0;
	if ((slash = strrchr(buf, '/')) && strcmp(slash, "/.libs") == 0)
		*slash = 0;
	return arena_str(a, buf);
}

const char *const *
library_roots(Arena *a, size_t *n)
{
	VEC(const char *) v = { 0 };
	const char *env = getenv("YOLO12C_PATH"), *exe = folder_of_executable(a), *end;

	for (; env && *env; env = *end ? end + 1 : end) {
		end = strchr(env, ':');
		end = end ? end : env + strlen(env);
		if (end > env)
			vec_push(a, &v, arena_strn(a, env, (size_t)(end - env)));
	}
	/* a build tree inside the sources, then one beside them, then an installation wherever it was moved */
	if (exe) {
		vec_push(a, &v, arena_printf(a, "%s", exe));
		vec_push(a, &v, arena_printf(a, "%s/..", exe));
		vec_push(a, &v, arena_printf(a, "%s/../share/yolo12c", exe));
	}
#ifdef Y12_SRCDIR
	vec_push(a, &v, Y12_SRCDIR);
#endif
	vec_push(a, &v, Y12_DATADIR);
	*n = v.n;
	return v.p;
}

const char *const *
library_dirs(Arena *a, size_t *n)
{
	const char *const *root = library_roots(a, n);
	const char **dir = NEWN(a, const char *, *n);

	for (size_t i = 0; i < *n; i++)
		dir[i] = arena_printf(a, "%s/stdlib", root[i]);
	return dir;
}

const char *
model_path(Arena *a, const char *model)
{
	const char *const *dirs;
	size_t n;

	if (access(model, R_OK) == 0 || strchr(model, '/'))
		return model;
	dirs = library_roots(a, &n);
	for (size_t i = 0; i < n; i++)
		for (int suffix = 0; suffix < 2; suffix++) {
			const char *path = arena_printf(a, "%s/models/%s%s", dirs[i], model, suffix ? "" : ".y12");

			if (access(path, R_OK) == 0)
				return path;
		}
	return model;
}

const ElabArg *
model_args(Arena *a, const CompileOptions *o, const Weights *w, size_t *n)
{
	VEC(ElabArg) v = { 0 };

#define ARG(k, ...) vec_push(a, &v, ((ElabArg){ k, arena_printf(a, __VA_ARGS__) }))
	if (o->scale)
		ARG("scale", "%s", o->scale);
	else if (w && w->family.scale)
		ARG("scale", "%c", w->family.scale);
	if (w && w->nc > 0)
		ARG("classes", "%d", w->nc);
	if (o->batch > 0)
		ARG("batch", "%d", o->batch);
	if (o->frame[0])
		ARG("frame", "%" PRId64 ",%" PRId64, o->frame[0], o->frame[1]);
	if (o->fit[0])
		ARG("target", "%" PRId64 ",%" PRId64, o->fit[0], o->fit[1]);
	if (o->max_det > 0)
		ARG("max_det", "%d", o->max_det);
	for (size_t i = 0; i < o->nparams; i++)
		ARG(o->params[i].key, "%s", o->params[i].value);
#undef ARG
	*n = v.n;
	return v.p;
}

void
describe(Arena *a, const Elab *e, const CompileOptions *o, Graph *g)
{
	char *text;

	if (!g->meta)
		g->meta = map_new(a);
	if (e->names) {
		json_t *names = json_array();

		for (size_t i = 0; i < e->nnames; i++)
			json_array_append_new(names, json_string(e->names[i]));
		text = json_dumps(names, JSON_COMPACT);
		map_set(g->meta, "names", arena_str(a, text));
		free(text);
		json_decref(names);
	}
	map_set(g->meta, "model", (void *)(uintptr_t)e->model);
	for (size_t i = 0; i < map_count(e->arg); i++)
		map_set(g->meta, map_key(e->arg, i), map_value(e->arg, i));
	if (o->weights)
		map_set(g->meta, "weights", (void *)(uintptr_t)(strrchr(o->weights, '/') ? strrchr(o->weights, '/') + 1 : o->weights));
	map_set(g->meta, "compiler", "yolo12c " PACKAGE_VERSION);
}

/* does v depend on a node that `found` accepts? */
static bool
depends(const Graph *g, Val v, bool (*found)(const Node *), signed char *seen)
{
	const Node *n = graph_node(g, v);

	if (seen[v] >= 0)
		return seen[v];
	seen[v] = 0;
	for (int i = 0; i < n->narg && !seen[v]; i++)
		seen[v] = depends(g, n->arg[i], found, seen);
	if (found(n))
		seen[v] = 1;
	return seen[v];
}

static bool
is_heavy(const Node *n)
{
	return op_info[n->op].fuse == FUSE_HEAVY;
}

static bool
is_nms(const Node *n)
{
	return n->op == OP_nms || n->op == OP_topk;
}

Phase
phase_of(const Graph *g, uint32_t group)
{
	signed char *seen = malloc(g->node.n);
	Phase p = PHASE_NET;

	if (!seen)
		return p;
	memset(seen, -1, g->node.n);
	if (depends(g, g->group.p[group].out, is_nms, seen)) {
		p = PHASE_POST;
	} else {
		memset(seen, -1, g->node.n);
		if (!depends(g, g->group.p[group].out, is_heavy, seen))
			p = PHASE_PRE;
	}
	free(seen);
	return p;
}

const char *
layer_of(const Graph *g, uint32_t group)
{
	Val v = g->group.p[group].root;

	for (int hops = 0; v && hops < 1000; hops++) {
		const Node *n = graph_node(g, v);

		if (n->name && n->op != OP_const && n->op != OP_param)
			return n->name;
		v = n->narg ? n->arg[0] : 0;
	}
	return "";
}
