/* attention_gpu.h -- what the files of attention's kernels for GPUs share: attention_gpu.c has the choice of tiles and the
 * kernel for matrix units, attention_groups.c its products by warpgroups, attention_filter.c a convolution of the
 * values in it, attention_plain.c the kernel without matrix units.  Private to lower/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_ATTENTION_GPU_H
#define Y12_LOWER_ATTENTION_GPU_H

#include "lower/attention.h"
#include "lower/attention_body.h"

/* A depthwise convolution of the values, which the group adds or whatever it does with it: see att_convolve(). */
typedef struct Local {
	Val v;                  /* 0: there is none */
	const Node *w;          /* weights [channels][1][R][S] */
	Val bias;
	int64_t r, s, ph, pw;
	bool fits;              /* the kernel can have it */
	int quads;              /* fours of taps, rounded up */
	int64_t lead;           /* rows of values before those of the window */
	int64_t none;           /* row of values that is zeros */
	uint32_t bw, sw, sc;    /* weights; partial sums */
	Reg own;                /* of the weights of 8 channels, which one this lane holds; NONE: zeros */
} Local;

/* 16 queries of a warp */
typedef struct Part {
	Reg *q;                 /* by steps of channels */
	Reg *s;                 /* scores, by 8 keys */
	Reg *o;                 /* results, by 8 channels */
	Reg low[2], sum[2];     /* of rows g and g + 8: -factor * reference, and what was summed */
	Reg top[2];             /* greatest score of this lane in the run at hand */
	Reg i[2], *known[2];    /* of rows: their numbers in the picture as a body sees them, and its of_query */
} Part;

typedef struct Att {
	Gen *z;
	KBuild *b;
	const Node *q, *k, *v;
	uint32_t bq, bk, bv;
	int64_t tokens, padded, d, dv, width, windows, heads;
	int64_t rows;           /* of values in shared memory */
	Local local;
	double scale;
	bool flat;
	bool bodied;            /* the user wrote something */
	Reg n, window, head;
	Reg token0, head0, vhead0;      /* first token of the window, first channels of the head */
	/* matrix units */
	int bytes, piece;       /* of an element; elements in 16 bytes */
	int rw, kw, kb, mq;
	int blocks;             /* for each head of a window */
	int64_t tiles;          /* of 16 mq queries, in a window */
	bool turns;             /* a warp has more than one of them */
	bool whole;             /* all queries that warps work on exist */
	double factor;          /* from scores to exponents of two */
	bool groups;            /* products by warpgroups */
	Reg scores, values;     /* their sums: S and O */
	Reg p;                  /* what they multiply values by */
	Reg here;               /* this warp's tile exists; 0: all do */
	uint32_t sk, sv, so, sm;
	Reg lane, g, quad, row_warp, key_warp;
	Reg tile, t0;           /* the warp's tile of queries and its first one, counted in the window */
	int steps, wide;        /* of Q K': steps along the channels; of O: 8 channels each */
	Reg *at_k, *at_v;       /* see lane_numbers */
	Part *part;             /* mq of them */
	BodyGen body;
	Reg i, h;                       /* query (of the plain kernel) and head as it sees them */
	bool scaled;                    /* it sees scores, scaled */
	ValList of_query, of_key;
	uint32_t list;                  /* of runs of keys that count; 0: all do */
	Reg first, last;                /* of the list, for the warp's queries */
	Reg mixed;                      /* whether the mask must be looked at in the run at hand; 0: always */
} Att;

/* Of products by warpgroups: log2 of how far below 1 the weight of the reference is, and of how great a lane's sum of
 * weights may be.  In f16 the weights of a row then have 2^-14 to 2^15 to be exact in, of which the greatest of the
 * first run is a 2^8th. */
enum { ATT_ROOM = 8, ATT_SUM_GROWS = 15 };

/* What a group is; no kernel need have been begun (z NULL). */
Att att_of(Gen *z, const Graph *g, const Group *gr);
/* bytes of shared memory of a block, once there is a tile */
int64_t att_shared_bytes(const Att *a);

/* index of token t (of the picture), channel c, in x */
Reg att_token_index(Att *a, const Node *x, Reg t, Reg c);
/* where a result of token t goes: channels c .. c + lanes */
Coord att_out_coord(Att *a, Reg t, Reg c, int lanes);
/* where chunk of 16 bytes of a row of K or V lies in the row */
Reg att_in_row(Att *a, Reg row, Reg chunk);

/* row g + 8 h of 16, of a product's four sums */
static inline Reg
att_row(KBuild *b, Reg x, int h)
{
	return k_part(b, x, 2 * h, 2);
}

/* keys that do not exist are infinitely far */
void att_mask_tail(Att *a, Reg kb0);
/* the greatest of this lane's scores, by rows */
void att_find_greatest(Att *a);
/* what is added to exponents if the greatest of a row's lanes is its reference */
Reg att_reference(Att *a, Reg top);
/* The greatest of rows are their references from here on, if they were not greater before. */
void att_refer_to_greatest(Att *a);
/* weights of 16 keys from the j-th 8 on as an operand; and added to sums */
Reg att_weights_of_16(Att *a, const Part *p, int j, const Reg *sum);

/* ---- attention_groups.c ---- */

/* Warpgroups come to their products together, so no list may send one of four warps elsewhere; rows of 96 bytes have
 * no swizzle. */
bool att_groups_fit(const Att *a);
/* blocks for which a multiprocessor shall have registers */
int att_resident_groups(const Att *a, const Target *t);
/* all keys for the tiles of queries at hand */
void att_attend_by_groups(Att *a);

/* bytes of a row of K or V */
static inline int
att_row_bytes(const Att *a)
{
	return (int)a->d * a->bytes;
}

/* ---- attention_filter.c ---- */

/* The convolution beside the attention, if there is one. */
void att_find_filter(Att *a, const Graph *g, const Group *gr);
/* elements of its weights in shared memory */
int64_t att_filter_weights(const Att *a);
void att_copy_filter(Att *a);
/* the values, with those beside the window that it sees; outside the picture are zeros */
void att_copy_values(Att *a);
/* sums of it for 16 tokens, from nothing or a bias on */
Reg *att_begin_sums(Att *a, bool bias);
/* sum[j] += what the filter's taps first .. first + 3, and every step further, make of 16 tokens from t0 on and channels
 * from 8 j on */
void att_convolve(Att *a, Reg t0, int first, int step, const Reg *sum);
/* Each warp of a row takes some of the filter's taps. */
void att_convolve_partial(Att *a, Reg slot);

#endif
