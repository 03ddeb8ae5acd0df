/* gen.h -- what the kernel families share: buffers for values, coordinates, and
 * pointwise work on the way into and out of a kernel.  Private to lower/.
 *
 * A family computes its root value for some coordinates and asks gen_finish() for
 * what follows: the epilogue is evaluated from the group's out backwards, reading
 * other operands at the same coordinates, and stored.
 *
 * A coordinate is a register plus a constant, so that the P x B results of a tile
 * share their index arithmetic: the register part of an index is made once, and
 * every access adds a constant to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_GEN_H
#define Y12_LOWER_GEN_H

#include <inttypes.h>

#include "lower/lower.h"

typedef struct Coord {
	Reg r[MAX_RANK];        /* 0: nothing */
	int64_t k[MAX_RANK];
	int vdim;               /* the dim along which lanes run */
	int lanes;              /* 1: a scalar */
	int active;             /* lanes that exist, from the first */
} Coord;

typedef struct Gen {
	LowerCtx *cx;
	Arena *a;
	const Graph *g;
	const Group *gr;
	uint32_t id;            /* of the group */
	KBuild *b;
	Lowered *low;
	uint32_t *buf;          /* kernel buffer of a value, by value; 0: none yet */
	Val root;               /* value that the family itself makes … */
	Reg root_value;         /* … and its register at the coordinates at hand */
	Val given;              /* value that the family brings itself, beside the root … */
	const Reg *given_row;   /* … its vectors of a row of a tile, for conv_put_pixel() … */
	Reg given_value;        /* … and its register at the coordinates at hand; 0: it is loaded as others are */
	Reg *memo;              /* register of a value at the coordinates at hand, by value */
	VEC(Val) memoed;
	struct GenBase { Val v; Reg r[MAX_RANK]; Reg base; } *base;    /* index parts made so far */
	size_t nbase, cbase;
	const bool *inside;     /* by value of a body: its indices lie in their dims; NULL: not known */
	Val counts;             /* of a body: a value that grows by one from lane to lane; 0: none */
	bool guarded;           /* gen_tasks opened an if, which gen_end closes */
	/* Of a chain: values that lie in shared memory, [row of the block][channel] from index `at` on, and the row at hand.
	 * Of a pair, plane > 0: [channel / 8][row][channel % 8], `at` is the first channel, planes lie so many elements apart. */
	struct GenHeld { uint32_t buf; int pitch; Reg at; int64_t plane; } *held;       /* by value; NULL: none, buf 0: not this one */
	Reg held_row;
	Reg or_zero;            /* an i1: where it is false, gen_finish stores zeros; 0: nowhere */
	Val into;               /* what gen_finish makes; 0: the group's out */
} Gen;

/* Starts a kernel for a group; gen_end() appends it to out. */
void gen_begin(Gen *z, LowerCtx *cx, uint32_t group, const char *name);
void gen_end(Gen *z, LoweredList *out);

/* Kernel buffer of a value's storage; the whole value can be reached in it. */
uint32_t gen_buf(Gen *z, Val v);
/* … through a tensor map that describes it from its first element on. */
uint32_t gen_tmap(Gen *z, Val v, const KTmap *map);
/* Workspace of the group as a buffer of count elements, from byte offset on. */
uint32_t gen_work(Gen *z, const char *name, DType dt, int64_t count, int64_t offset, bool out);
/* Sizes of a picture: i64[rank]. */
uint32_t gen_dims(Gen *z, Val v);

static inline const Node *
gen_node(const Gen *z, Val v)
{
	return graph_node(z->g, v);
}

/* Index of the element of v at c in gen_buf(v).  Dims of size 1 count as coordinate 0. */
Reg gen_index(Gen *z, Val v, const Coord *c);

/* The value at c: computed if it belongs to the group (the root's is root_value), loaded if it does not.
 * A vector along c->vdim, or a scalar where the value does not vary along it and `splat` is false. */
Reg gen_value(Gen *z, Val v, const Coord *c);

/* The element of v at up to three coordinates; dims of size 1 count as coordinate 0. */
Reg gen_element(Gen *z, Val v, Reg i, Reg j, Reg k);

/* c->r[0 .. n) from the number of a row: coordinates in the first n dims of t, the last running fastest.  Dims
 * of size 1 and those in the set `skip` are left alone. */
void gen_unflatten(Gen *z, Reg number, const Type *t, int n, unsigned skip, Coord *c);

/* Forget registers made at other coordinates.  Bases stay. */
void gen_forget(Gen *z);
/* Forget bases too: call after opening or closing a block. */
void gen_forget_bases(Gen *z);

/* The kernel's independent tasks, nx * ny * nz of them, and the coordinates of the one at hand.  On a host each is
 * a call.  On a GPU each is a thread, x running fastest, so that neighbours should touch neighbouring memory. */
void gen_tasks(Gen *z, int64_t nx, int64_t ny, int64_t nz, Reg task[3]);

static inline bool
gen_gpu(const LowerCtx *cx)
{
	return cx->target->kind == TARGET_GPU;
}

/* Epilogue at c, given the root's value there, and the store of the group's out (or of z->into). */
void gen_finish(Gen *z, const Coord *c, Reg root_value);

/* Rows (and pictures) of the value follow each other without a gap, or it is the same in all of them. */
bool gen_is_flat(const Graph *g, Val v, bool pictures);

/* Rows of the picture follow each other without a gap in the group's out and in all that its epilogue
 * and its root's first argument read, and the epilogue is pointwise: coordinates may then be (n, 0, y * W + x, c).
 * pictures: those follow each other as well: (0, 0, (n * H + y) * W + x, c). */
bool gen_flattens(const Graph *g, uint32_t group, bool pictures);

/* Greatest power of two lanes, at most max, that divides n (n > 0). */
int lanes_dividing(int64_t n, int max);

/* f32 lanes of a vector register of the target. */
static inline int
target_lanes(const Target *t)
{
	return t->vector_bytes / 4;
}

static inline int64_t
ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

/* 0 <= x < end? */
Reg gen_inside(KBuild *b, Reg x, int64_t end);

/* One row per family: families.def makes the table. */
typedef bool LowerFn(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err);
typedef void ChooseFn(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack);

/* The tile that the target's table of tuning wishes, if the group can have it. */
void lower_tuned(Arena *a, const Graph *g, const Target *t, Group *gr);

#define FAMILY(name, what)                                                          \
	bool lower_##name(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err); \
	void choose_##name(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack);
#include "graph/families.def"
#undef FAMILY

#endif
