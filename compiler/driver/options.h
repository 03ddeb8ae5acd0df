/* options.h -- the command line, read by the tables verbs.def and options.def.
 *
 *     yolo12c predict model=yolov12 weights=best.pt source=street.jpg conf=0.4
 *
 * Each key is a member of Options with the type of its row: o->conf is a double,
 * o->imgsz a Size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_OPTIONS_H
#define Y12_OPTIONS_H

#include "base/base.h"
#include "driver/compile.h"

/* What a run came to, for the shell. */
enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INPUT, EXIT_RESOURCES, EXIT_MISMATCH, EXIT_INTERRUPTED = 130 };

typedef enum VerbId {
#define VERB(name, operands, help) VERB_##name,
#include "driver/verbs.def"
#undef VERB
	VERB_COUNT
} VerbId;

typedef enum KeyId {
#define KEY(name, ...) KEY_##name,
#include "driver/options.def"
#undef KEY
	KEY_COUNT
} KeyId;

typedef enum KeyType { KEYTYPE_INT, KEYTYPE_REAL, KEYTYPE_BOOL, KEYTYPE_TEXT, KEYTYPE_SIZE } KeyType;

typedef struct Size { int64_t h, w; } Size;
typedef int64_t INT_value;
typedef double REAL_value;
typedef bool BOOL_value;
typedef const char *TEXT_value;         /* NULL: not given, and there is no default */
typedef Size SIZE_value;

enum { MOST_OPERANDS = 16 };

typedef struct Options {
	Arena *a;
	VerbId verb;
#define KEY(name, type, ...) type##_value name;
#include "driver/options.def"
#undef KEY
	bool given[KEY_COUNT];          /* by the user */
	VEC(KeyValue) param;            /* model.NAME=VALUE: parameters of the user's own model */
	VEC(KeyValue) port;             /* input.NAME=, output.NAME=, compare.NAME=, keys whole */
	const char *operand[MOST_OPERANDS];
	int noperand;
} Options;

typedef int VerbFn(const Options *o);   /* returns an exit code */

typedef struct VerbInfo {
	int operands;
	const char *help;
	VerbFn *run;
} VerbInfo;

typedef struct KeyInfo {
	const char *name;
	KeyType type;
	const char *dflt;
	double from, to;
	const char *looks;
	uint64_t verbs;                 /* bit VERB_… */
	const char *help;
	size_t offset;                  /* in Options */
} KeyInfo;

extern const KeyInfo key_info[KEY_COUNT];
extern const VerbInfo verb_table[VERB_COUNT];    /* main.c */
extern const char *const verb_names[VERB_COUNT];

/**
 * Read the arguments after the program's name.  `--help` anywhere becomes the verb
 * help, `--version` the verb version.
 *
 * @param msg  gets a line for each thing that is wrong
 * @return false if something is
 */
bool options_parse(Arena *a, int argc, char *const *argv, Options *o, Text *msg);

/* Whether all of the keys were given; else a line for each missing one in msg. */
bool options_need(const Options *o, const KeyId *key, size_t n, Text *msg);

/* Takes the names of older programs for YOLO12C_… variables that are not set, and
 * looks at their values.  False: a line for each bad one is in msg. */
bool environment_parse(Arena *a, Text *msg);

void options_help(FILE *f, VerbId verb);

#endif
