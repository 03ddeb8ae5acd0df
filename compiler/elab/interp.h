/* interp.h -- the inside of the elaborator: values, scopes, the interpreter's state.
 *
 * value.c   compile-time values: text, equality
 * scope.c   paths in the model, and the parameters that live there
 * interp.c  expressions, statements, calls
 * attend.c  mask and score of an attention
 * prims.c   what is not written in .y12: numbers, and one row of prims.def an op
 * elab.c    modules, the model's parameters, entries
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_ELAB_INTERP_H
#define Y12_ELAB_INTERP_H

#include "elab/elab.h"
#include "graph/body.h"

/* ---- values ---------------------------------------------------------------------- */

typedef enum ValueKind {
	V_ERROR,                /* a mistake was reported; stays silent from there on */
	V_NONE, V_INT, V_REAL, V_BOOL, V_STR,
	V_SYMBOL,               /* a name that stands for itself: one_of(n, s) */
	V_DTYPE, V_RANGE, V_LIST,
	V_TUPLE,                /* with names: what `return a: x, b: y` gives */
	V_FN, V_PRIM, V_TENSOR,
} ValueKind;

typedef struct Value Value;
typedef struct Items {
	size_t n;
	Value *p;
	const char **name;      /* of a record's fields, or NULL */
	int64_t values;         /* all of them, those of lists inside counted */
	int depth;
	bool tensor;            /* there is one inside */
} Items;
typedef struct Env Env;
typedef struct Fn { const Ast *decl; Env *env; } Fn;    /* a fn, a block or a lambda */
typedef struct Prim Prim;

struct Value {
	ValueKind kind;
	union {
		int64_t i;
		double r;
		bool b;
		const char *s;
		DType dt;
		Val v;
		const Items *items;
		const Fn *fn;
		const Prim *prim;
	};
	union {
		int64_t hi;             /* RANGE: [i, hi) */
		const Graph *g;         /* TENSOR: where v is */
		const Ast *choices;     /* SYMBOL: the one_of(...) it was taken from, or NULL */
	};
};

#define V(K, ...) ((Value){ .kind = V_##K, __VA_ARGS__ })
static inline bool
is_number(Value v)
{
	return v.kind == V_INT || v.kind == V_REAL;
}
static inline double
number(Value v)
{
	return v.kind == V_INT ? (double)v.i : v.r;
}

const char *value_kind(Value v);                /* "an int" */
bool value_eq(Value a, Value b);
bool value_has_tensor(Value v);
int64_t value_size(Value v);                    /* what it costs to look at all of it */
bool value_is_block(Value v);
Value value_items(Arena *a, ValueKind k, const Value *p, size_t n);
int64_t value_len(Value v);                     /* -1: cannot be iterated */
Value value_at(Value v, size_t i);
const char *ast_formal_name(const Ast *decl, int i);

/* ---- names ----------------------------------------------------------------------- */

typedef struct Var { const char *name; uint32_t hash; Span span; Value v; } Var;

/* Many names: open addressing; all of them in order of declaration. */
typedef struct Index {
	VEC(Var *) var;
	Var **slot;
	size_t nslot;           /* a power of two, at most half full; or 0 */
} Index;

/* most names differ in their first letter */
static inline bool
same(const char *a, const char *b)
{
	return *a == *b && strcmp(a, b) == 0;
}

/* Names of a body.  A big one (a file, the built-in names) has an index. */
struct Env {
	Env *up;
	bool call;              /* assignment looks no further up */
	VEC(Var) var;
	Index *index;           /* instead of var, or NULL */
};

Env *env_new(Arena *a, Env *up, bool call);
Env *env_sized(Arena *a, Env *up, bool call, size_t names);     /* with room for so many */
Env *env_index(Arena *a, Env *up);
Var *env_find(const Env *e, const char *name, uint32_t hash);   /* in e alone */
void env_add(Arena *a, Env *e, Var var);                        /* that is new in e */
void env_def(Arena *a, Env *e, const char *name, Value v, Span s);

/* ---- paths and parameters ---------------------------------------------------------- */

/* A point of the parameter tree: "model", "model.0", "model.0.conv". */
typedef struct Scope Scope;
struct Scope {
	const char *path;       /* "" at the root */
	Scope *up;
	int64_t next;           /* in `layers`: the next number; else -1 */
	int laid;               /* entry whose `layers` numbered it last */
	int run;                /* entry that instantiated a block here last; 0: none */
	Span span;
	VEC(Scope *) kid;
	Map *by_leaf;           /* of many kids */
	size_t asked;           /* the kid that was asked for last */
	const char *leaf;       /* its own name: "conv" */
	const Ast *order;       /* order(cv1, cv2, m), or NULL */
	ElabParam *param;
	Val val;                /* of param, in the graph of `run` */
};

/* ---- the interpreter ----------------------------------------------------------------- */

typedef struct Frame {
	struct Frame *up;
	const char *chain;      /* "Conv(16) at model.0, called from yolov12.y12:31" */
	Span call;
} Frame;

/* Names of a tensor's axes, in the function of env; older: others, of this tensor. */
struct AxisNames { const Graph *g; const Ast *shape; const Env *env; const struct AxisNames *older; };

typedef struct Interp Interp;
struct Interp {
	Arena *a;
	Diag *d;
	const ElabOptions *opt;
	Elab *out;
	Env *builtin;
	Map *meta;              /* what meta() said */
	Map *said;              /* messages so far: each once */
	bool told;              /* the last one was new: a note may follow */
	Scope *root, *scope;
	Frame *frame;           /* the innermost block; NULL outside */
	VEC(int64_t) loop;      /* turns of the loops around, inside the present block */
	Graph *g;               /* NULL outside an entry */
	int run;                /* number of the entry at hand */
	size_t nodes;           /* that the next entry may have: as many as the last */
	int layer;              /* -1: outside */
	const Ast *warp;        /* the warp under way, in a graph of scalars; or NULL */
	VEC(const struct AxisNames *) axes;     /* by Val: see axes.c */
	struct BodyCx *body;    /* mask or score under way, in a graph of pairs; or NULL */
	const char *ret_name;   /* the name that `return` gives to its value */
	bool returned;
	Value ret;
	bool stop;              /* a limit was passed */
	int calls, nest;
	struct Args *args;      /* of calls that are over */
	int64_t steps;
	const Ast **entry;      /* declared by the model */
	size_t nentry;
};

Value fail(Interp *I, Span s, const char *slug, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void note(Interp *I, Span s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));       /* to the fail() before it */
Value fail_at(Interp *I, Span s, const char *slug, const char *msg, const char *note);
void put_int(Text *t, int64_t i);
void put_value(Text *t, const Interp *I, Value v);
const char *show(Interp *I, Value v);           /* as text, for messages */

/* name: what a block or a parameter made here is called, or NULL */
Value eval(Interp *I, Env *e, const Ast *a, const char *name);
Value call_value(Interp *I, Value fn, const Ast *at, const Value *arg, size_t n);
/* Names of a pattern, `a` or `(a, _, b)`, for a value; fresh: new ones, else as `=` has it.  False: reported. */
bool destructure(Interp *I, Env *e, const Ast *pat, Value v, bool fresh);
Value run_body(Interp *I, Env *e, const Ast *body, const char *name);
Value arith(Interp *I, AstOp op, Value x, Value y, Span at);
bool spend(Interp *I, int64_t steps, Span at);  /* false: past the limit */
/* v as the type wants it.  False: reported.  what: "Conv: out", or NULL */
bool fit_type(Interp *I, Env *e, const Ast *type, Value *v, Span at, const char *what);
bool eval_type(Interp *I, Env *e, const Ast *type, Type *t);    /* f32[1, 3, h, ..] */

bool path_ok(Interp *I, const char *name, Span at);             /* false: reported */
Scope *scope_at(Interp *I, Scope *from, const char *path);      /* made if new */
/* The path of what is made here, under its name or its number.  NULL: reported. */
Scope *scope_for(Interp *I, const char *name, Span at, const char *what);
/* The name of item i of a list or a pipeline that has this name, or none. */
const char *name_item(Interp *I, const char *name, size_t i);
Value make_param(Interp *I, Env *e, const Ast *a, const char *name);
void collect_params(Interp *I);

/* train, export, augment and warp of m and of what it uses; envs: path of a module -> its Env */
void check_declarations(Interp *I, const Module *m, Map *envs);

/* ---- operations -------------------------------------------------------------------- */

typedef struct PrimFormal {
	const char *name;
	char kind;              /* see prims.def */
	char mode;              /* '!' needed, '?' may be left out, '=' default, '~' left out if default */
	bool rest;
	const char *def;
	AttrKey key;
} PrimFormal;

enum { PRIM_MAX = 12 };

typedef struct PrimCall {
	const Prim *prim;
	Env *env;
	const Ast *call;
	Span at;
	Value arg[PRIM_MAX];    /* by formal; NONE: not given */
} PrimCall;

struct Prim {
	const char *name;
	Value (*run)(Interp *I, PrimCall *c);
	OpKind op;
	const char *sig;
	int n;
	PrimFormal f[PRIM_MAX];
};

Env *prims_env(Arena *a);
Value call_prim(Interp *I, PrimCall *c);        /* arg[] as evaluated, not yet checked */

Value make_node(Interp *I, Span at, OpKind op, const Value *arg, int narg, const Attr *attr, int nattr);
Value node_done(Interp *I, Val v, Span at);     /* gives it its span and chain */
Value tensor_index(Interp *I, Value x, const Value *sub, size_t n, const Ast *a);
Value constant(Interp *I, Span at, Value v, DType dt, int rank);        /* a number -> a tensor */
static inline const Type *
type_at(const Interp *I, Value v)
{
	(void)I;
	return &graph_node(v.g, v.v)->type;
}

/* ---- axes by name: axes.c -------------------------------------------------------------- */

void name_axes(Interp *I, Env *e, Value v, const Ast *shape);
void inherit_axes(Interp *I, Value v, const Value *arg, int narg);
/* The axis, or the list of axes, that a means for the first tensor of arg; NONE: no name of one. */
Value axis_word(Interp *I, const Env *e, const Value *arg, size_t narg, const Ast *a);

/* ---- mask and score: attend.c ---------------------------------------------------------- */

bool make_body(Interp *I, const PrimCall *c, Value mask, Value score, Graph **body, const Value **more, int *nmore);
bool is_capture(const Interp *I, Value v);
Value capture(Interp *I, Value v, const char *name);
bool body_is_int(const Interp *I, Value v);
Value body_real(Interp *I, Value v, Span at);           /* v itself unless it is an int of a body */
bool body_meet(Interp *I, Value *x, Value *y, Span at);
Value body_place(Interp *I, Value v, bool column, Span at);
Value body_index(Interp *I, Value x, const Value *sub, size_t n, const Ast *a);
bool body_args(Interp *I, OpKind op, Value *arg, int narg, Span at);
bool body_takes(Interp *I, Val v, Span at);

#endif
