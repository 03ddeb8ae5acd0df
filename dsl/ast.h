/* ast.h -- the syntax tree of a .y12 file, and how to get one.
 *
 *     x |> Conv(ch(64), k: 3) as p3
 *
 *     (pipe (name x) (as p3 (call (name Conv) (call (name ch) (int 64)) (arg k (int 3)))))
 *
 * One struct for every node: a kind, a few plain fields, and kids.  ast.def says
 * for each kind what its fields hold, so a walker is one switch and needs no
 * casts.  Text is kept by span alone; nothing in the tree knows layout.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_AST_H
#define Y12_AST_H

#include "base/base.h"
#include "base/diag.h"

typedef enum AstKind {
#define AST(kind, where, name, kids) AST_##kind,
#define OPERATOR(name, text)
#include "dsl/ast.def"
	AST_COUNT
} AstKind;

typedef enum AstOp {
	AOP_none,
#define AST(kind, where, name, kids)
#define OPERATOR(name, text) AOP_##name,
#include "dsl/ast.def"
	AOP_COUNT
} AstOp;

typedef struct Ast Ast;
struct Ast {
	AstKind kind;
	AstOp op;               /* unary, binary */
	bool flag;              /* by kind: see ast.def */
	Span span;              /* all of it */
	Span at;                /* where a caret points: its name, or its operator */
	const char *name;       /* by kind: see ast.def.  Equal names of a file are one text */
	uint32_t hash;          /* ast_hash() of a name: of kinds name and formal */
	const char *doc;        /* of a declaration: its `##` lines, joined by \n; or NULL */
	int64_t i;              /* int */
	double r;               /* int, real, quantity */
	int height;             /* of the tree from here down; at most DSL_MAX_HEIGHT */
	int n;
	Ast **kid;
};

const char *ast_kind_name(AstKind k);           /* "call" */
const char *ast_op_text(AstOp op);              /* "//" */
void ast_dump(FILE *f, const Ast *a);           /* s-expression, indented */

uint32_t ast_hash(const char *name, size_t n);  /* FNV-1a: names are short */
Ast *ast_new(Arena *ar, AstKind k, Span s);
void ast_add(Arena *ar, Ast *a, Ast *kid);      /* kid may be NULL where ast.def says so */

/* A file and the files that it uses. */
typedef struct Module Module;
struct Module {
	const char *name;       /* "std.blocks"; for a file named by path, that path */
	const char *path;       /* where it was found */
	const Source *src;
	Ast *ast;               /* AST_file; never NULL, but with AST_error nodes after an error */
	size_t nuse;
	Module **use;           /* in the order of the `use` lines; NULL for one that failed */
};

/* Parses one source; its `use` lines are not followed.  Never NULL: see diag_errors(). */
Module *dsl_parse(Arena *a, Diag *d, const Source *src);

/* Loads a file and everything it uses, each once.
 *
 *     use std.blocks       blocks.y12 in one of dirs[]: the standard library is there
 *     use neck.fast        neck/fast.y12 beside the using file, else in one of dirs[]
 *     use "../neck.y12"    that file, seen from the using file
 *
 * NULL: the file itself could not be read.  Trouble of any kind is in d. */
Module *dsl_load(Arena *a, Diag *d, const char *path, const char *const *dirs, size_t ndirs);

/* The canonical form of a source, comments kept.  NULL: it does not parse; see d. */
char *dsl_fmt(Arena *a, Diag *d, const Source *src);

/* Limits; an error names the one that a file passes. */
enum {
	DSL_MAX_DEPTH = 200,            /* brackets inside brackets */
	DSL_MAX_HEIGHT = 1000,          /* of the tree: a + b + c + ... counts too */
	DSL_MAX_BYTES = 4 << 20,
	DSL_MAX_TOKENS = 1 << 20,
};

#endif
