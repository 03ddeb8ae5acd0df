/* stage.c -- a network at any stage: read from a file, taken further, written as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <stdlib.h>

#include "driver/stage.h"
#include "lower/lower.h"
#include "runtime/yolo12c.h"

const char *const stage_kind_name[] = {
	"a spec", "the text of graphs", "the text of a program", "an engine", "a file of weights",
};

/* ---- what a file is ----------------------------------------------------------------- */

/* the first word behind comments and space */
static size_t
first_word(const char *p, size_t n, const char **word)
{
	size_t i = 0, from;

	while (i < n && (isspace((unsigned char)p[i]) || p[i] == '#'))
		if (p[i] != '#')
			i++;
		else
			while (i < n && p[i] != '\n')
				i++;
	from = i;
	while (i < n && isalpha((unsigned char)p[i]))
		i++;
	*word = p + from;
	return i - from;
}

StageKind
stage_kind(const void *p, size_t n)
{
	static const struct { const char *word; StageKind kind; } text[] = {
		{ "graph", STAGE_GRAPH }, { "kernel", STAGE_PROGRAM }, { "program", STAGE_PROGRAM },
	};
	static const char engine[] = "Y12ENGN\n", zip[] = "PK\x03\x04";
	const char *word;
	size_t len;

	if (n >= 8 && memcmp(p, engine, 8) == 0)
		return STAGE_ENGINE;
	/* safetensors: the length of a JSON text, and the text */
	if ((n >= 4 && memcmp(p, zip, 4) == 0) || (n > 8 && ((const char *)p)[7] == 0 && ((const char *)p)[8] == '{'))
		return STAGE_WEIGHTS;
	len = first_word(p, n, &word);
	for (size_t i = 0; i < COUNT(text); i++)
		if (len == strlen(text[i].word) && memcmp(word, text[i].word, len) == 0)
			return text[i].kind;
	return STAGE_SPEC;
}

/* ---- heads ------------------------------------------------------------------------------ */

/* "fuse" of a line "# stage fuse" among the comments that begin a text; NULL: there is none */
static const char *
head(Arena *a, const Source *src, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = src->text; p[0] == '#' && p[1] == ' '; p++) {
		size_t n = strcspn(p, "\n");

		if (n > len + 3 && strncmp(p + 2, key, len) == 0 && p[2 + len] == ' ')
			return arena_strn(a, p + 3 + len, n - 3 - len);
		p += n;
		if (!*p)
			break;
	}
	return NULL;
}

/* Path of the constants' file: it lies beside the text, so that a text names no other place.  False: an error. */
static bool
consts_path(Arena *a, Diag *d, const Source *src, const char **path)
{
	const char *name = head(a, src, "consts"), *slash = strrchr(src->path, '/');

	*path = NULL;
	if (!name)
		return true;
	if (strchr(name, '/')) {
		diag_error(d, (Span){ 0 }, "consts-path", "%s: the file of constants '%s' is not beside the text", src->path, name);
		return false;
	}
	*path = slash ? arena_printf(a, "%.*s/%s", (int)(slash - src->path), src->path, name) : name;
	return true;
}

static bool
text_target(Arena *a, Diag *d, const Source *src, Stage *s)
{
	const char *name = head(a, src, "target");

	if (name && !s->o.target && !(s->o.target = target_named(name))) {
		diag_error(d, (Span){ 0 }, "target-unknown", "%s: there is no target %s", src->path, name);
		return false;
	}
	return true;
}

/* ---- in ------------------------------------------------------------------------------------ */

/* How far graphs have come, from what they hold: for texts without a head. */
static const char *
done_from_content(const GraphModule *m)
{
	const char *done = NULL;

	for (size_t i = 0; i < m->graph.n; i++) {
		const Graph *g = m->graph.p[i];
		bool tiled = false;

		for (size_t j = 0; j < g->group.n; j++)
			tiled |= g->group.p[j].ntile > 0 || g->group.p[j].work > 0;
		if (g->buf.n > 1)
			return "plan";
		if (g->sched.n)
			return "schedule";
		if (g->group.n > 1)
			done = tiled ? "tile" : "fuse";
	}
	return done;
}

/* Leaves the entries that were asked for. */
static bool
choose_graphs(Diag *d, Stage *s)
{
	GraphModule *m = s->c.module;
	GraphModule all = *m;

	if (!s->o.entries)
		return true;
	*m = (GraphModule){ .a = m->a };
	for (size_t i = 0; s->o.entries[i]; i++) {
		Graph *g = module_entry(&all, s->o.entries[i]);

		if (!g) {
			diag_error(d, (Span){ 0 }, "entry-missing", "%s: there is no entry %s", s->path, s->o.entries[i]);
			return false;
		}
		vec_push(m->a, &m->graph, g);
	}
	return true;
}

/* Are the tiles in a text such as the kernels of its target have?  Others may stand for no kernel at all. */
static bool
has_tiles(Arena *a, Diag *d, const Source *src, const Stage *s, const Graph *g)
{
	const Target *t = s->o.target ? s->o.target : target_host();

	for (size_t i = 1; i < g->group.n && t->kind == TARGET_GPU; i++)
		if (g->group.p[i].root && !lower_has_tile(a, g, t, &g->group.p[i])) {
			diag_error(d, (Span){ 0 }, "graph-invalid", "%s: graph %s: group @%zu has a tile that no kernel of %s has; "
			           "leave tile={} out and run the pass tile", src->path, g->name, i, t->name);
			return false;
		}
	return true;
}

static bool
read_graphs(Arena *a, Diag *d, const Source *src, Stage *s)
{
	Map *consts = NULL;
	const char *path, *stage = head(a, src, "stage"), *err;

	if (!text_target(a, d, src, s) || !consts_path(a, d, src, &path))
		return false;
	if (path) {
		if (!(s->c.weights = weights_open(a, path, d)))
			return false;
		consts = map_new(a);
		for (size_t i = 0; i < s->c.weights->tensor.n; i++) {
			const WTensor *t = &s->c.weights->tensor.p[i];
			ConstData *c = NEW(a, ConstData);

			if (t->rank > MAX_RANK)
				continue;
			*c = (ConstData){ type_of(t->dt, t->rank, t->dim), t->data };
			map_set(consts, t->name, c);
		}
	}
	if (!(s->c.module = module_parse(a, d, src, consts)))
		return false;
	for (size_t i = 0; i < s->c.module->graph.n; i++)
		if (!graph_verify(s->c.module->graph.p[i], &err)) {
			diag_error(d, (Span){ 0 }, "graph-invalid", "%s: graph %s: %s", src->path,
			           s->c.module->graph.p[i]->name, err);
			return false;
		}
	for (size_t i = 0; i < s->c.module->graph.n; i++)
		if (!has_tiles(a, d, src, s, s->c.module->graph.p[i]))
			return false;
	if (!stage)
		stage = done_from_content(s->c.module);
	if (stage && strcmp(stage, "graph") != 0 && !(s->done = pass_named(stage))) {
		diag_error(d, (Span){ 0 }, "stage-unknown", "%s: there is no stage %s", src->path, stage);
		return false;
	}
	return choose_graphs(d, s);
}

static bool
read_program(Arena *a, Diag *d, const Source *src, Stage *s)
{
	const char *path, *err = NULL;
	const void *consts = NULL;
	size_t bytes = 0;

	if (!text_target(a, d, src, s) || !consts_path(a, d, src, &path))
		return false;
	if (path && !(consts = file_map(a, path, &bytes, &err))) {
		diag_error(d, (Span){ 0 }, "consts-file", "%s", err);
		return false;
	}
	s->c.program = program_parse(a, d, src, consts, bytes);
	file_unmap(consts, bytes);
	s->hollow = !consts && s->c.program && s->c.program->const_bytes > 0;
	return s->c.program != NULL;
}

static bool
read_engine(Arena *a, Diag *d, Stage *s)
{
	const char *err = NULL;

	/* mapped for the life of the process, as the engine runs from it */
	s->c.image = (void *)(uintptr_t)file_map(a, s->path, &s->c.image_bytes, &err);
	if (!s->c.image)
		diag_error(d, (Span){ 0 }, "file", "%s", err);
	return s->c.image != NULL;
}

bool
stage_open(Arena *a, Diag *d, const char *path, const CompileOptions *o, Stage *s)
{
	const char *err = NULL;
	const void *p;
	size_t n;
	char *text;

	*s = (Stage){ .path = path, .o = *o };
	s->o.model = path;
	if ((p = file_map(a, path, &n, &err))) {
		s->kind = stage_kind(p, n);
		file_unmap(p, n);
	}
	switch (s->kind) {
	case STAGE_SPEC:
		return compile_front(a, d, &s->o, &s->c);
	case STAGE_ENGINE:
		return read_engine(a, d, s);
	case STAGE_WEIGHTS:
		diag_error(d, (Span){ 0 }, "file-kind", "%s is %s, not a model: it goes to weights=", path, stage_kind_name[s->kind]);
		return false;
	default:
		break;
	}
	if (!(text = file_read(a, path, &n, &err))) {
		diag_error(d, (Span){ 0 }, "file", "%s", err);
		return false;
	}

	const Source *src = diag_source(d, path, text, n);

	return s->kind == STAGE_GRAPH ? read_graphs(a, d, src, s) : read_program(a, d, src, s);
}

void
stage_close(Stage *s)
{
	weights_close(s->c.weights);
	s->c.weights = NULL;
}

/* ---- further ---------------------------------------------------------------------------------- */

static bool
behind(Diag *d, const Stage *s, const char *want)
{
	diag_error(d, (Span){ 0 }, "stage-behind", "%s is %s%s%s: the stage '%s' lies behind it", s->path,
	           stage_kind_name[s->kind], s->done ? " after " : "", s->done ? s->done->name : "", want);
	return false;
}

bool
stage_graphs(Arena *a, Diag *d, Stage *s, const char *last)
{
	const PassInfo *to = last ? pass_named(last) : NULL;

	if (s->kind > STAGE_GRAPH || (to && s->done > to))
		return behind(d, s, last ? last : "graph");
	if (!to || to == s->done)
		return !last || to || (diag_error(d, (Span){ 0 }, "stage-unknown", "there is no stage %s", last), false);
	s->o.last_pass = last;
	if (!compile_passes(a, d, &s->o, &s->c, s->done))
		return false;
	s->done = to;
	return true;
}

bool
stage_program(Arena *a, Diag *d, Stage *s)
{
	if (s->kind == STAGE_ENGINE)
		return behind(d, s, "kir");
	return s->c.program || (stage_graphs(a, d, s, pass_info[pass_count - 1].name) && compile_program(a, d, &s->o, &s->c));
}

bool
stage_has_values(Diag *d, const Stage *s)
{
	if (s->hollow)
		diag_error(d, (Span){ 0 }, "consts-missing", "%s: its constants are not beside it (no line '# consts FILE')", s->path);
	return !s->hollow;
}

bool
stage_engine(Arena *a, Diag *d, Stage *s)
{
	return s->c.image || (stage_program(a, d, s) && stage_has_values(d, s) && compile_code(a, d, &s->o, &s->c));
}

/* ---- out ---------------------------------------------------------------------------------------- */

/* Constants of graphs as safetensors.  NULL, or a message. */
static const char *
write_graph_consts(Arena *a, const Map *consts, const char *path)
{
	Weights w = { .a = a, .meta = map_new(a) };

	for (size_t i = 0; i < map_count(consts); i++) {
		const ConstData *c = map_value(consts, i);
		WTensor t = { .name = map_key(consts, i), .dt = c->type.dt, .rank = c->type.rank,
		              .count = (size_t)type_count(&c->type), .data = c->data };

		memcpy(t.dim, c->type.dim, sizeof c->type.dim);
		vec_push(a, &w.tensor, t);
	}
	return weights_save_safetensors(a, &w, path, DT_NONE);
}

bool
stage_write(Arena *a, Diag *d, const Stage *s, const char *out)
{
	const Target *target = s->o.target ? s->o.target : target_host();
	bool program = s->c.program != NULL;
	const char *consts = NULL, *err = NULL;
	Map *values = map_new(a);
	FileOut f = { .f = stdout };

	if (!stage_has_values(d, s))
		return false;
	if (!program)
		for (size_t i = 0; i < s->c.module->graph.n; i++)
			graph_consts(s->c.module->graph.p[i], values);
	if (out && (program ? s->c.program->const_bytes > 0 : map_count(values) > 0)) {
		consts = arena_printf(a, "%s.consts", out);
		err = program ? file_write(a, consts, s->c.program->consts, (size_t)s->c.program->const_bytes)
		              : write_graph_consts(a, values, consts);
	}
	if (!err && out)
		err = fileout_open(a, &f, out);
	if (!err) {
		if (out) {
			fprintf(f.f, "# stage %s\n# target %s\n", program ? "kir" : s->done ? s->done->name : "graph", target->name);
			if (consts)
				fprintf(f.f, "# consts %s\n", strrchr(consts, '/') ? strrchr(consts, '/') + 1 : consts);
			putc('\n', f.f);
		}
		if (program)
			program_print(f.f, s->c.program);
		else
			module_print(f.f, s->c.module);
		err = out ? fileout_commit(&f) : NULL;
	}
	if (err)
		diag_error(d, (Span){ 0 }, "write", "%s", err);
	return !err;
}
