/* options.c -- key=value, read by the tables; and what to say when it is not one.
 *
 * Everything wrong with a command line is said at once, each with what would be right:
 * most mistakes are habits from other programs (--conf 0.25), and those are known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "driver/options.h"

#define V(name) ((uint64_t)1 << VERB_##name)

const KeyInfo key_info[KEY_COUNT] = {
#define KEY(name, type, dflt, from, to, looks, verbs, help) \
	{ #name, KEYTYPE_##type, dflt, from, to, looks, verbs, help, offsetof(Options, name) },
#include "driver/options.def"
#undef KEY
};

#define SPELL_(name) #name
#define SPELL(name) SPELL_(name)
#define explain_error explain-error
const char *const verb_names[VERB_COUNT] = {
#define VERB(name, operands, help) SPELL(name),
#include "driver/verbs.def"
#undef VERB
};
#undef explain_error

static const int verb_operands[VERB_COUNT] = {
#define VERB(name, operands, help) operands,
#include "driver/verbs.def"
#undef VERB
};

/* Keys of other programs that have no row here, and what to do instead. */
static const struct { const char *key, *says; } foreign[] = {
	{ "task", "leave it out: detection is the only task" },
	{ "mode", "the verb comes first: yolo12c predict …" },
	{ "verbose", "write quiet=true or quiet=false" },
	{ "half", "write precision=f16" },
	{ "augment", "there is no test-time augmentation" },
	{ "show", "there is no window; look at the pictures that are saved" },
	{ "show_boxes", "boxes are always drawn; save=false writes no pictures" },
	{ "stream", "leave it out: pictures are always taken one after the other" },
	{ "vid_stride", "videos can't be read yet" },
	{ "stream_buffer", "videos can't be read yet" },
	{ "save_frames", "videos can't be read yet" },
	{ "visualize", "feature maps can't be shown" },
	{ "embed", "feature vectors can't be given out" },
	{ "retina_masks", "detection has no masks" },
	{ "workers", "write threads=N" },
	{ "conf_thres", "write conf=…" },
	{ "iou_thres", "write iou=…" },
	{ "img", "write imgsz=…" },
	{ "img_size", "write imgsz=…" },
	{ "hide_labels", "write show_labels=false" },
	{ "hide_conf", "write show_conf=false" },
	{ "nosave", "write save=false" },
};

/* ---- values --------------------------------------------------------------------------- */

static bool
read_int(const char *s, const char **end, int64_t *out)
{
	char *e;
	long long v;

	errno = 0;
	v = strtoll(s, &e, 10);
	if (e == s || errno)
		return false;
	*end = e;
	*out = v;
	return true;
}

static bool
read_real(const char *s, double *out)
{
	char *end;

	if (!*s || s[strspn(s, "0123456789+-.eE")])     /* neither "nan" nor hexadecimal */
		return false;
	*out = strtod(s, &end);
	return !*end;
}

static bool
read_bool(const char *s, bool *out)
{
	static const char *const word[] = { "false", "true", "0", "1", "no", "yes", "off", "on" };

	for (size_t i = 0; i < COUNT(word); i++)
		if (strcasecmp(s, word[i]) == 0) {
			*out = i % 2;
			return true;
		}
	return false;
}

/* "640", "480,640", and as other programs write them: "[480, 640]", "480x640" */
static bool
read_size(const char *s, Size *out)
{
	static const char *const blank = " ";
	bool open = *s == '[' || *s == '(';

	s += open;
	s += strspn(s, blank);
	if (!read_int(s, &s, &out->h))
		return false;
	out->w = out->h;
	s += strspn(s, blank);
	if (*s == ',' || *s == 'x') {
		s++;
		s += strspn(s, blank);
		if (!read_int(s, &s, &out->w))
			return false;
		s += strspn(s, blank);
	}
	s += open && (*s == ']' || *s == ')');
	return !*s;
}

static bool
within(const KeyInfo *k, double x)
{
	return x >= k->from && x <= k->to;
}

/* Puts the value into its member; false: *wanted says what it should be. */
static bool
set_value(Options *o, const KeyInfo *k, const char *s, const char **wanted)
{
	void *at = (char *)o + k->offset;
	const char *end = "";
	Size *size = at;

	switch (k->type) {
	case KEYTYPE_INT:
		*wanted = arena_printf(o->a, "a whole number from %g to %g", k->from, k->to);
		return read_int(s, &end, at) && !*end && within(k, (double)*(int64_t *)at);
	case KEYTYPE_REAL:
		*wanted = arena_printf(o->a, "a number from %g to %g", k->from, k->to);
		return read_real(s, at) && within(k, *(double *)at);
	case KEYTYPE_BOOL:
		*wanted = "true or false";
		return read_bool(s, at);
	case KEYTYPE_SIZE:
		*wanted = arena_printf(o->a, "a side from %g to %g pixels, or two: height,width", k->from, k->to);
		return read_size(s, size) && within(k, (double)size->h) && within(k, (double)size->w);
	case KEYTYPE_TEXT:
		*(const char **)at = arena_str(o->a, s);
		*wanted = "a text";
		return true;
	}
	return false;
}

/* ---- names ------------------------------------------------------------------------------ */

static const KeyInfo *
key_named(const char *name, size_t n)
{
	for (int i = 0; i < KEY_COUNT; i++)
		if (strncmp(key_info[i].name, name, n) == 0 && !key_info[i].name[n])
			return &key_info[i];
	return NULL;
}

static bool
takes(VerbId verb, const KeyInfo *k)
{
	return k->verbs >> verb & 1;
}

/* the nearest of the verb's keys */
static const char *
near_key(VerbId verb, const char *name)
{
	const char *c[KEY_COUNT];
	size_t n = 0;

	for (int i = 0; i < KEY_COUNT; i++)
		if (takes(verb, &key_info[i]))
			c[n++] = key_info[i].name;
	return did_you_mean(name, c, n);
}

static void
no_such_key(const Options *o, const KeyInfo *k, const char *name, Text *msg)
{
	const char *near = near_key(o->verb, name), *sep = "";

	for (size_t i = 0; i < COUNT(foreign); i++)
		if (strcmp(foreign[i].key, name) == 0) {
			text_printf(msg, "%s: %s\n", name, foreign[i].says);
			return;
		}
	text_printf(msg, "%s takes no %s", verb_names[o->verb], name);
	if (near) {
		text_printf(msg, "; did you mean %s?\n", near);
	} else if (k) {
		text_put(msg, " (");
		for (int v = 0; v < VERB_COUNT; v++)
			if (takes((VerbId)v, k)) {
				text_printf(msg, "%s%s", sep, verb_names[v]);
				sep = ", ";
			}
		text_put(msg, " does)\n");
	} else {
		text_printf(msg, "; see: yolo12c help %s\n", verb_names[o->verb]);
	}
}

/* ---- arguments ---------------------------------------------------------------------------- */

/* Keys that may be followed by the name of a tensor: input.image=x.npy */
static const KeyId named[] = { KEY_input, KEY_output, KEY_compare };

static void
take_pair(Options *o, const char *arg, const char *equals, Text *msg)
{
	char *name = arena_strn(o->a, arg, (size_t)(equals - arg));
	const char *value = equals + 1, *wanted;
	const KeyInfo *k = key_named(name, strlen(name));

	if (strncmp(name, "model.", 6) == 0 && name[6] && takes(o->verb, &key_info[KEY_model])) {
		vec_push(o->a, &o->param, ((KeyValue){ name + 6, arena_str(o->a, value) }));
		return;
	}
	for (size_t i = 0; i < COUNT(named); i++) {
		size_t n = strlen(key_info[named[i]].name);

		if (strncmp(name, key_info[named[i]].name, n) == 0 && name[n] == '.' && name[n + 1] &&
		    takes(o->verb, &key_info[named[i]])) {
			vec_push(o->a, &o->port, ((KeyValue){ name, arena_str(o->a, value) }));
			return;
		}
	}
	if (o->verb == VERB_train && (!k || !takes(o->verb, k)))
		return;                 /* its keys come with it; until then it says that it does nothing */
	if (!k || !takes(o->verb, k)) {
		no_such_key(o, k, name, msg);
		return;
	}
	if (!*value) {
		text_printf(msg, "%s= has no value (there must be no blank after the =)\n", name);
		return;
	}
	if (!set_value(o, k, value, &wanted)) {
		text_printf(msg, "%s=%s: it must be %s\n", name, value, wanted);
		return;
	}
	o->given[k - key_info] = true;
}

/* How a bare word could have been meant as a key: what it names, without dashes, colons. */
static const KeyInfo *
key_in_disguise(Arena *a, const Options *o, const char *arg, const char **value)
{
	const char *s = arg + strspn(arg, "-");
	size_t n = strcspn(s, "=:");
	char *name = arena_strn(a, s, n);
	const KeyInfo *k;

	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	*value = s[n] ? s + n + 1 : "";
	k = key_named(name, strlen(name));
	return k && takes(o->verb, k) ? k : NULL;
}

/* What a file that stands alone is for, by its extension. */
static const char *
key_for_file(const char *path)
{
	static const struct { const char *ext, *key; } row[] = {
		{ ".pt", "weights" }, { ".pth", "weights" }, { ".safetensors", "weights" },
		{ ".y12", "model" }, { ".y12e", "model" },
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < COUNT(row); i++)
		if (strcmp(dot, row[i].ext) == 0)
			return row[i].key;
	return "source";
}

/* An argument that is neither a pair nor an operand; returns how many arguments the explanation covers. */
static int
explain(const Options *o, int argc, char *const *argv, Text *msg)
{
	const char *value;
	const KeyInfo *k = key_in_disguise(o->a, o, argv[0], &value);
	int used = 1;

	if (!k) {
		if (argv[0][0] == '-' && argv[0][1])
			text_printf(msg, "%s: arguments are written key=value, without dashes; see: yolo12c help %s\n",
			            argv[0], verb_names[o->verb]);
		else if (access(argv[0], F_OK) == 0 && takes(o->verb, &key_info[KEY_source]))
			text_printf(msg, "%s stands alone; did you mean %s=%s?\n", argv[0], key_for_file(argv[0]), argv[0]);
		else
			text_printf(msg, "%s: arguments are written key=value; see: yolo12c help %s\n", argv[0],
			            verb_names[o->verb]);
		return 1;
	}
	for (; !*value && used < argc && used < 3; used++)       /* conf = 0.25, conf =0.25, conf 0.25 */
		if (strcmp(argv[used], "=") != 0) {
			if (argv[used][0] == '=')
				value = argv[used] + 1;
			else if (strchr(argv[used], '=') || (argv[used][0] == '-' && argv[used][1]))
				break;
			else
				value = argv[used];
		}
	if (!*value)
		value = k->type == KEYTYPE_BOOL ? "true" : *k->dflt ? k->dflt : k->looks;
	text_printf(msg, "%s: write %s=%s\n", argv[0], k->name, value);
	return used;
}

/* explain_error is explain-error */
static bool
same_word(const char *a, const char *b)
{
	for (; *a && (*a == *b || (*a == '_' && *b == '-')); a++, b++)
		continue;
	return !*a && !*b;
}

static bool
find_verb(Options *o, const char *word, Text *msg)
{
	const char *near;

	for (int v = 0; v < VERB_COUNT; v++)
		if (same_word(word, verb_names[v])) {
			o->verb = (VerbId)v;
			return true;
		}
	if (strchr(word, '='))
		text_printf(msg, "%s comes before the verb; write: yolo12c predict %s …\n", word, word);
	else if (strcmp(word, "detect") == 0)
		text_put(msg, "detect: leave it out, detection is the only task; write: yolo12c predict …\n");
	else if ((near = did_you_mean(word, verb_names, VERB_COUNT)))
		text_printf(msg, "there is no verb %s; did you mean %s?\n", word, near);
	else
		text_printf(msg, "there is no verb %s; see: yolo12c help\n", word);
	return false;
}

static void
set_defaults(Options *o)
{
	const char *wanted;

	for (int i = 0; i < KEY_COUNT; i++)
		if (*key_info[i].dflt && !set_value(o, &key_info[i], key_info[i].dflt, &wanted))
			abort();                /* the table itself is wrong */
}

static bool
is_one_of(const char *s, const char *a, const char *b)
{
	return strcmp(s, a) == 0 || strcmp(s, b) == 0;
}

bool
options_parse(Arena *a, int argc, char *const *argv, Options *o, Text *msg)
{
	size_t before = msg->n;

	*o = (Options){ .a = a, .verb = VERB_help };
	set_defaults(o);
	for (int i = 0; i < argc; i++)
		if (is_one_of(argv[i], "--help", "-h")) {
			if (i > 0 && argv[0][0] != '-' && strcmp(argv[0], "help") != 0)
				o->operand[o->noperand++] = argv[0];
			return true;
		}
	if (argc > 0 && is_one_of(argv[0], "--version", "-V")) {
		o->verb = VERB_version;
		return true;
	}
	if (argc == 0 || !find_verb(o, argv[0], msg))
		return argc == 0;
	for (int i = 1; i < argc; ) {
		const char *equals = argv[i][0] == '-' ? NULL : strchr(argv[i], '=');

		if (strncmp(argv[i], "--color=", 8) == 0) {             /* as other programs have it */
			take_pair(o, argv[i] + 2, argv[i] + 7, msg);
			i++;
			continue;
		}
		if (strcmp(argv[i], "--check") == 0 && o->verb == VERB_fmt) {
			o->check = true;
			i++;
			continue;
		}

		if (equals && equals > argv[i]) {
			take_pair(o, argv[i++], equals, msg);
		} else if (o->noperand < verb_operands[o->verb] && (argv[i][0] != '-' || !argv[i][1])) {
			o->operand[o->noperand++] = argv[i++];
		} else {
			i += explain(o, argc - i, argv + i, msg);
		}
	}
	return msg->n == before;
}

bool
options_need(const Options *o, const KeyId *key, size_t n, Text *msg)
{
	bool all = true;

	for (size_t i = 0; i < n; i++)
		if (!o->given[key[i]]) {
			const KeyInfo *k = &key_info[key[i]];

			text_printf(msg, "%s needs %s=%s: %s\n", verb_names[o->verb], k->name, k->looks, k->help);
			all = false;
		}
	return all;
}

/* ---- environment --------------------------------------------------------------------------- */

/* old: the variable of older programs; from, to: its values and ours, by position */
static const struct {
	const char *name, *old;
	const char *choice[5];
	const char *from[5], *to[5];
} variables[] = {
	{ "YOLO12C_ATTN", "YOLOV12_FLASH_ATTN", { "fused", "reference" },
	  { "1", "0", "true", "false" }, { "fused", "reference", "fused", "reference" } },
	{ "YOLO12C_PRECISION", "YOLOV12_AMP", { "auto", "fp32", "fp16", "bf16" },
	  { "1", "0", "true", "false" }, { "auto", "fp32", "auto", "fp32" } },
	{ "YOLO12C_CHECKPOINT", "YOLOV12_CHECKPOINT", { "auto", "0", "1" },
	  { "true", "false" }, { "1", "0" } },
	{ "YOLO12C_CACHE_DIR", "YOLOV12_TRT_CACHE_DIR", { 0 }, { 0 }, { 0 } },
};

bool
environment_parse(Arena *a, Text *msg)
{
	size_t before = msg->n;

	for (size_t i = 0; i < COUNT(variables); i++) {
		const char *name = variables[i].name, *value = getenv(name);
		Text choices = { .a = a };
		bool known = !variables[i].choice[0];

		if (!value || !*value) {
			name = variables[i].old;
			if (!(value = getenv(name)) || !*value)
				continue;
			for (int j = 0; j < 5 && variables[i].from[j]; j++)
				if (strcasecmp(value, variables[i].from[j]) == 0) {
					value = variables[i].to[j];
					break;
				}
			if (setenv(variables[i].name, value, 1))
				text_printf(msg, "%s can't be set\n", variables[i].name);
		}
		for (int j = 0; j < 5 && variables[i].choice[j]; j++) {
			known |= strcmp(value, variables[i].choice[j]) == 0;
			text_printf(&choices, "%s%s", j ? ", " : "", variables[i].choice[j]);
		}
		if (!known)
			text_printf(msg, "the environment has %s=%s: it must be one of %s\n", name, value,
			            text_str(&choices));
	}
	return msg->n == before;
}

/* ---- help -------------------------------------------------------------------------------------- */

void
options_help(FILE *f, VerbId verb)
{
	int width = 0;

	for (int i = 0; i < KEY_COUNT; i++) {
		const KeyInfo *k = &key_info[i];
		int n = (int)(strlen(k->name) + strlen(*k->dflt ? k->dflt : k->looks)) + 1;

		if (takes(verb, k) && n > width)
			width = n;
	}
	for (int i = 0; i < KEY_COUNT; i++) {
		const KeyInfo *k = &key_info[i];
		const char *value = *k->dflt ? k->dflt : k->looks;

		if (!takes(verb, k))
			continue;
		fprintf(f, "  %s=%-*s  %s", k->name, width - (int)strlen(k->name) - 1, value, k->help);
		if (k->type == KEYTYPE_REAL)
			fprintf(f, " (%g to %g)", k->from, k->to);
		fputc('\n', f);
	}
	if (takes(verb, &key_info[KEY_model]))
		fprintf(f, "  %-*s  %s\n", width, "model.NAME=VALUE", "a parameter of your own model");
}
