/* graph.h -- the graph: tensors in SSA form, one entry a graph.
 *
 *     graph forward(%1 image: f32[1,3,640,640]) {
 *       %2 "model.0.conv.weight" = param : f32[16,3,3,3]
 *       %3 "model.0.conv" = conv2d %1, %2 {stride=[2,2], pad=[1,1]} : f32[1,16,320,320]
 *       return raw=%3
 *     }
 *
 * A value is a small integer, so a side table is an array indexed by it.  Val 0
 * is no value.  Nodes are kept in the order they were made; order[] is a
 * topological order of what the outputs reach, made anew by graph_order().
 *
 * From text to launches a graph gathers annotations, each printed and parsed
 * like the rest: groups (fuse), tiles (tile), the order of groups (schedule),
 * buffers and places (plan).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_GRAPH_H
#define Y12_GRAPH_H

#include "base/base.h"
#include "base/diag.h"

enum { MAX_RANK = 6 };

typedef uint32_t Val;

typedef enum OpKind {
	OP_none,
#define OP(name, lo, hi, fuse, effect, grad, shapes) OP_##name,
#include "graph/ops.def"
#undef OP
	OP_COUNT
} OpKind;

typedef enum { FUSE_POINT, FUSE_MOVE, FUSE_REDUCE, FUSE_HEAVY, FUSE_ALONE } FuseClass;
typedef enum { EFFECT_PURE, EFFECT_STATE, EFFECT_SOURCE } Effect;

typedef struct OpInfo {
	const char *name;
	int lo, hi;             /* number of arguments */
	FuseClass fuse;
	Effect effect;
	const char *shapes;
} OpInfo;
extern const OpInfo op_info[OP_COUNT];
OpKind op_named(const char *name);              /* OP_none: no such op */

typedef enum AttrKey {
	A_none,
#define ATTR(name, kind) A_##name,
#include "graph/attrs.def"
#undef ATTR
	ATTR_COUNT
} AttrKey;

typedef enum { ATTR_INT, ATTR_REAL, ATTR_STR, ATTR_INTS, ATTR_BODY } AttrKind;
typedef struct Graph Graph;

typedef struct Attr {
	AttrKey key;
	int n;                  /* INTS: how many */
	union {
		int64_t i;
		double r;
		const char *s;
		const int64_t *v;
		const Graph *g; /* BODY: not changed any more */
	};
} Attr;

typedef struct AttrInfo { const char *name; AttrKind kind; } AttrInfo;
extern const AttrInfo attr_info[ATTR_COUNT];

typedef struct Type {
	DType dt;
	int rank;               /* 0: a scalar */
	int64_t dim[MAX_RANK];  /* -1: known when it runs (the sides of pictures only) */
} Type;

/* Where the plan put a value: an element offset and element strides in a buffer. */
typedef struct Place {
	uint32_t buf;           /* index into Graph.buf; 0: none (yet) */
	int64_t offset;
	int64_t stride[MAX_RANK];
} Place;

/* How a value is kept, decided by fuse. */
typedef enum Keep {
	KEEP_GROUP,             /* made by its group: in memory if the group's out, else in registers */
	KEEP_VIEW,              /* no kernel: it is a part of its argument's storage (slice, reshape, permute, broadcast) */
	KEEP_JOIN,              /* no kernel: its arguments are made in parts of its storage (concat) */
} Keep;

typedef struct Node {
	OpKind op;              /* OP_none: a hole */
	Type type;
	int narg;
	Val *arg;
	int nattr;
	Attr *attr;             /* sorted by key */
	const char *name;       /* path in the model ("model.0.conv.weight"), or NULL */
	Span span;              /* where in the spec; {0} if nowhere */
	const char *chain;      /* "Conv(16) at model.0, called from yolov12.y12:31", or NULL */
	const void *data;       /* const, bound param, input default: values in C order; NULL: not known */
	uint32_t group;         /* 0: none */
	Keep keep;
	Place place;
} Node;

/* What becomes one kernel (or a few in a row): nodes with this group number.
 * One of their values, out, is written to memory; of a chain, another one may be, too. */
typedef enum Family {
	FAM_none,
#define FAMILY(name, what) FAM_##name,
#include "graph/families.def"
#undef FAMILY
	FAM_COUNT
} Family;
extern const char *const family_name[FAM_COUNT];

enum { TILE_MAX = 8 };

typedef struct Group {
	Family family;          /* FAM_none: a hole */
	Val root;               /* the HEAVY, REDUCE or ALONE op; or the last POINT op */
	Val out;
	Val also;               /* a chain's: what it writes besides; 0: nothing */
	int ntile;
	int32_t tile[TILE_MAX]; /* meaning by family: lower/<family>.c says */
	int64_t work;           /* workspace bytes, from tile */
	uint32_t work_buf;      /* from plan; 0: none */
} Group;

typedef enum BufKind { BUF_NONE, BUF_ARENA, BUF_CONST, BUF_INPUT } BufKind;

typedef struct Buf {
	BufKind kind;
	Val owner;              /* the value that the storage is for (0: workspace) */
	uint32_t group;         /* workspace of this group, or 0 */
	int64_t bytes;          /* -1: known when it runs */
	int64_t offset;         /* in the arena; multiple of 64 */
	int32_t first, last;    /* live in these steps of the schedule, both included */
} Buf;

typedef struct Plan {
	int64_t peak, bound;    /* bytes of arena; largest live set: no plan can need less */
	int64_t weights, work;  /* bytes of constants; largest workspace */
} Plan;

typedef struct Output { const char *name; Val v; } Output;

struct Graph {
	Arena *a;
	const char *name;                       /* of the entry: "detect" */
	VEC(Node) node;                         /* node.p[0] is unused */
	VEC(Val) input;                         /* named by node.name */
	VEC(Output) output;
	VEC(Val) order;                         /* see graph_order */
	VEC(Group) group;                       /* group.p[0] is unused */
	VEC(uint32_t) sched;                    /* groups in the order they run */
	VEC(Buf) buf;                           /* buf.p[0] is unused */
	Plan plan;
	Map *meta;                              /* string -> string: names, nc, stride, task, model … */
};

/* The entries of one model.  They share parameters by name. */
typedef struct GraphModule { Arena *a; VEC(Graph *) graph; } GraphModule;

/* ---- building ------------------------------------------------------------------ */

Graph *graph_new(Arena *a, const char *name);
/* Shares names, chains and values with g, whose arena must outlive the clone. */
Graph *graph_clone(Arena *a, const Graph *g);

/* A node of any op.  Attributes and type are as given; nothing is inferred. */
Val graph_add(Graph *g, OpKind op, Type t, const Val *arg, int narg);

/* A node whose type infer_type() finds.  0: the arguments do not fit, and
 * *err (in g->a) says how, in words that may follow "conv2d: ".  For cast and iota
 * see below; input, param and const have the type they are given: graph_add. */
Val graph_make(Graph *g, OpKind op, const Val *arg, int narg, const Attr *attr, int nattr,
               const char **err);

Val graph_const(Graph *g, Type t, const void *data);             /* data copied */
Val graph_scalar(Graph *g, DType dt, int rank, double x);        /* 1 element, rank ones */

/* The two ops whose dtype is the node's own, not their arguments'. */
Val graph_cast(Graph *g, Val x, DType dt);                       /* x itself if it has dt */
Val graph_iota(Graph *g, DType dt, int axis, int rank, const int64_t *shape);

static inline Node *
graph_node(const Graph *g, Val v)
{
	return &g->node.p[v];
}

/* ---- attributes ----------------------------------------------------------------- */

const Attr *attr_find(const Node *n, AttrKey key);               /* NULL: absent */
int64_t attr_int(const Node *n, AttrKey key, int64_t otherwise);
double attr_real(const Node *n, AttrKey key, double otherwise);
const char *attr_str(const Node *n, AttrKey key, const char *otherwise);
/* i-th of INTS; otherwise if the attribute is absent or shorter */
int64_t attr_ints(const Node *n, AttrKey key, int i, int64_t otherwise);
Attr attr_of_int(AttrKey key, int64_t i);
Attr attr_of_real(AttrKey key, double r);
Attr attr_of_str(AttrKey key, const char *s);
const Graph *attr_body(const Node *n);                           /* NULL: absent */
Attr attr_of_body(const Graph *body);
Attr attr_of_ints(Arena *a, AttrKey key, const int64_t *v, int n);
void attr_set(Graph *g, Val v, Attr a);                          /* adds or replaces */
void attr_drop(Graph *g, Val v, AttrKey key);
static inline bool
node_nhwc(const Node *n)
{
	const char *s = attr_str(n, A_layout, "nchw");

	return s[1] == 'h';
}

/* ---- types ------------------------------------------------------------------------ */

Type type_of(DType dt, int rank, const int64_t *dim);
bool type_eq(const Type *a, const Type *b);
int64_t type_count(const Type *t);              /* elements; -1 if a dim is */
int64_t type_bytes(const Type *t);
const char *type_text(Arena *a, const Type *t); /* "f32[1,3,640,640]" */
void type_strides(const Type *t, int64_t stride[MAX_RANK]);      /* C order, in elements */

/* Type of an op's result.  False: *err says what does not fit.  For input, param
 * and const *out is what is declared and only checked; for cast and iota out->dt is the
 * dtype wanted (iota: i32 if DT_NONE). */
bool infer_type(Arena *a, OpKind op, const Type *const *arg, int narg,
                const Attr *attr, int nattr, Type *out, const char **err);

/* ---- walking and changing ------------------------------------------------------------ */

/* order[] = what the outputs reach: inputs first, even those that nobody reads, then by
 * value number, but each value's arguments right before it if they are not there yet. */
void graph_order(Graph *g);

/* The same nodes under a fresh order made in a: for readers, who leave g as it is. */
Graph graph_ordered(Arena *a, const Graph *g);

/* Is v what the group writes to memory? */
static inline bool
group_writes(const Group *gr, Val v)
{
	return gr->out == v || (gr->also && gr->also == v);
}

/* Does group id read what other groups make of what it writes?  Then none of them can run first.  g has an order. */
bool group_comes_back(Arena *a, const Graph *g, uint32_t id);

#define graph_foreach(g, v)                                                        \
	for (size_t i_##v = 0; i_##v < (g)->order.n; i_##v++)                      \
		for (Val v = (g)->order.p[i_##v], once_##v = 1; once_##v; once_##v = 0)

/* Every use of old (arguments and outputs) becomes a use of new_, except in new_
 * itself: so new_ may be made from old. */
void graph_replace(Graph *g, Val old, Val new_);

/* users[v]: number of argument slots and outputs that read v, over order[]. */
uint32_t *graph_users(Arena *a, const Graph *g);

/* ---- text --------------------------------------------------------------------------- */

void graph_print(FILE *f, const Graph *g);
/* Constants of up to 16 elements are printed whole; a larger one is printed as
 * its hash, #<32 hexadecimal digits>, and its values go to (and come from) `consts`, a
 * map from those digits to ConstData*: one map serves all entries.  NULL: values are
 * left out, and parse leaves data NULL. */
typedef struct ConstData { Type type; const void *data; } ConstData;
void graph_consts(const Graph *g, Map *consts);
void module_print(FILE *f, const GraphModule *m);
/* All entries of a text, in order.  NULL: an error was reported. */
GraphModule *module_parse(Arena *a, Diag *d, const Source *src, const Map *consts);
Graph *module_entry(const GraphModule *m, const char *name);     /* NULL: no such entry */

/* ---- checking ------------------------------------------------------------------------ */

/* Everything that must hold at this point: arity, types equal to what
 * infer_type finds, arguments made before use, groups connected with one out (chains: or two), and,
 * once there is a plan, that no two buffers that live at the same time overlap, that
 * each place stays inside its buffer, and that views and joins share storage as they say.
 * The plan is checked from the schedule alone, not from what the planner believed.
 * False: *err says what is wrong (in g->a). */
bool graph_verify(const Graph *g, const char **err);

/* Two values placed in one buffer: is there a byte that both have?  (Yes as well if that takes too long to say.) */
bool node_share_bytes(const Node *u, const Node *v);

/* ---- the reference evaluator ------------------------------------------------------------ */

/* A tensor of the host, C order.  Pictures: dims filled in. */
typedef struct Tensor { Type type; void *data; } Tensor;

/* One op on tensors: simple, f32 with f64 accumulation where it sums, obviously
 * right.  out->type is set by the caller from the node; out->data is made in a (or is the
 * node's own data: const, param). */
bool eval_node(Arena *a, const Graph *g, Val v, const Tensor *const *arg, Tensor *out, const char **err);

/* A whole entry: in[i] for g->input.p[i] (NULL data: the input's default), out[i] for g->output.
 * Intermediate values are freed as soon as they are not needed.  `tap`, if not NULL, sees every value. */
typedef void EvalTap(void *cx, const Graph *g, Val v, const Tensor *t);
bool eval_graph(Arena *a, const Graph *g, const Tensor *in, Tensor *out,
                EvalTap *tap, void *cx, const char **err);

/* The numbers of the op fit, from a picture's size (yolov12.md 3.2, 3.6); evaluator,
 * kernels and command share these meanings. */
enum {
	FIT_W, FIT_H,           /* size after scaling, before padding */
	FIT_LEFT, FIT_TOP,      /* padding */
	FIT_SRC_W, FIT_SRC_H,   /* size of the picture */
	FIT_BACK_GAIN, FIT_BACK_X, FIT_BACK_Y,  /* to go back: (p - back) / gain */
	FIT_R,                  /* the scale */
	FIT_COUNT
};
void fit_numbers(int64_t src_h, int64_t src_w, const int64_t target[2], const int64_t frame[2],
                 bool scaleup, double fit[FIT_COUNT]);

#endif
