/* parse.c -- the text of print.c back into kernels, by recursive descent.
 *
 *     kernel  = "kernel" NAME "(" [param {"," param}] ")" ["grid" triple] ["cluster" triple] ["threads" triple]
 *               ["resident" INT] "{" {decl} {stmt} "}"
 *     param   = NAME ":" "global" ["out"] TYPE "[" (INT | "?") "]" ["inplace"] ["align" INT]
 *             | NAME ":" ("tile" | "im2col") TYPE dims "strides" list ("box" list | "steps" list
 *               "lower" list "upper" list "channels" INT "pixels" INT) "swizzle" INT
 *     decl    = ("shared" | "local") NAME ":" TYPE "[" INT "]" ["align" INT] ["alias" NAME]
 *     stmt    = [REG ":" ktype "="] OP operands
 *             | "for" REG ":" ktype "=" REG ".." REG "step" INT block
 *             | "if" REG block ["else" block] | "loop" block
 *
 * Space and line ends mean nothing, # begins a comment.  The text decides the numbers of
 * registers; whether the kernel means something is kernel_verify()'s question.  The first
 * error ends the parse: kernels are written by programs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>

#include "kir/inner.h"

typedef struct Parse {
	Arena *a;
	Diag *d;
	const Source *src;
	size_t at, end;
	Kernel *k;
	bool failed;
} Parse;

/* ---- letters ------------------------------------------------------------------------ */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

static char
peek(const Parse *p)
{
	return p->at < p->end ? p->src->text[p->at] : 0;
}

static void
skip(Parse *p)
{
	while (p->at < p->end) {
		char c = p->src->text[p->at];

		if (c == '#')
			while (p->at < p->end && p->src->text[p->at] != '\n')
				p->at++;
		else if (is_space(c))
			p->at++;
		else
			break;
	}
}

static size_t
word_end(const Parse *p, size_t at)
{
	while (at < p->end && is_word(p->src->text[at]))
		at++;
	return at;
}

/* Reports at the token at hand.  Always false. */
static bool __attribute__((format(printf, 2, 3)))
fail(Parse *p, const char *fmt, ...)
{
	va_list ap;

	if (p->failed)
		return false;
	p->failed = true;
	size_t stop = word_end(p, p->at);
	Span s = { p->src->id, (uint32_t)p->at, (uint32_t)MIN(MAX(stop, p->at + 1), p->end) };
	va_start(ap, fmt);
	diag_error(p->d, s, "kernel-text", "%s", arena_vprintf(p->a, fmt, ap));
	va_end(ap);
	return false;
}

/* ---- words --------------------------------------------------------------------------- */

static bool
is_next(const Parse *p, const char *word)
{
	size_t n = strlen(word);

	return p->end - p->at >= n && memcmp(p->src->text + p->at, word, n) == 0 &&
	       (!is_word(word[n - 1]) || p->at + n == p->end || !is_word(p->src->text[p->at + n]));
}

/* Takes the word or sign if it is next. */
static bool
accept(Parse *p, const char *word)
{
	if (p->failed || !is_next(p, word))
		return false;
	p->at += strlen(word);
	skip(p);
	return true;
}

static bool
expect(Parse *p, const char *word)
{
	return accept(p, word) || fail(p, "'%s' is expected here", word);
}

static const char *
name(Parse *p, const char *what)
{
	size_t stop = word_end(p, p->at), from = p->at;

	if (stop == p->at || is_digit(peek(p))) {
		fail(p, "%s is expected here", what);
		return NULL;
	}
	p->at = stop;
	skip(p);
	return arena_strn(p->a, p->src->text + from, stop - from);
}

static bool
integer(Parse *p, int64_t lo, int64_t hi, int64_t *x)
{
	bool minus = peek(p) == '-';
	size_t at = p->at + minus;
	uint64_t v = 0;

	if (at >= p->end || !is_digit(p->src->text[at]))
		return fail(p, "a whole number is expected here");
	for (; at < p->end && is_digit(p->src->text[at]); at++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(p->src->text[at] - '0'), &v))
			return fail(p, "the number does not fit 64 bits");
	if (v > (uint64_t)INT64_MAX + minus)
		return fail(p, "the number does not fit 64 bits");
	*x = (int64_t)(minus ? -v : v);
	if (*x < lo || *x > hi)
		return fail(p, "%" PRId64 " is not between %" PRId64 " and %" PRId64, *x, lo, hi);
	p->at = at;
	skip(p);
	return true;
}

static bool
real(Parse *p, double *x)
{
	char *stop;
	char c = peek(p);

	if (c != '-' && c != 'i' && c != 'n' && !is_digit(c))
		return fail(p, "a number is expected here");
	*x = strtod(p->src->text + p->at, &stop);
	size_t at = (size_t)(stop - p->src->text);
	if (at == p->at || at > p->end)
		return fail(p, "a number is expected here");
	p->at = at;
	skip(p);
	return true;
}

static bool
triple(Parse *p, int32_t n[3])
{
	if (!expect(p, "("))
		return false;
	for (int i = 0; i < 3; i++) {
		int64_t x;

		if ((i && !expect(p, ",")) || !integer(p, 1, INT32_MAX, &x))
			return false;
		n[i] = (int32_t)x;
	}
	return expect(p, ")");
}

static bool
reg(Parse *p, Reg *r)
{
	int64_t n;

	if (peek(p) != '%')
		return fail(p, "a register is expected here");
	p->at++;
	if (!integer(p, 1, KIR_MAX_REGS - 1, &n))
		return false;
	while (p->k->reg.n <= (size_t)n)
		vec_push(p->a, &p->k->reg, ((KType){ 0 }));
	*r = (Reg)n;
	return true;
}

/* "f32x16" */
static bool
ktype(Parse *p, KType *t)
{
	size_t stop = word_end(p, p->at);
	const char *w = p->src->text + p->at;

	for (int s = KS_NONE + 1; s < KS_COUNT; s++) {
		size_t n = strlen(kscalar_name[s]), len = stop - p->at;
		int64_t lanes = 1;

		if (len < n || memcmp(w, kscalar_name[s], n) != 0 || (len > n && w[n] != 'x'))
			continue;
		p->at += n;
		if (len > n) {
			p->at++;
			if (!integer(p, 1, KIR_MAX_LANES, &lanes))
				return false;
		}
		skip(p);
		*t = kt((KScalar)s, (int)lanes);
		return true;
	}
	return fail(p, "a type of registers is expected here, such as f32x8");
}

/* The register that a statement writes, with its type. */
static bool
result(Parse *p, Reg *r)
{
	KType t;
	size_t from = p->at;

	if (!reg(p, r) || !expect(p, ":") || !ktype(p, &t))
		return false;
	KType *have = &p->k->reg.p[*r];
	if (have->s != KS_NONE && !kt_same(*have, t)) {
		p->at = from;
		return fail(p, "%%%" PRIu32 " has another type where it is written first", *r);
	}
	*have = t;
	return expect(p, "=");
}

/* ---- buffers ------------------------------------------------------------------------- */

static bool
buffer_named(Parse *p, uint32_t *buf)
{
	size_t from = p->at;
	const char *n = name(p, "the name of a buffer");

	for (size_t i = 0; n && i < p->k->buf.n; i++)
		if (strcmp(p->k->buf.p[i].name, n) == 0) {
			*buf = (uint32_t)i + 1;
			return true;
		}
	p->at = from;
	return fail(p, "there is no buffer '%s'", n ? n : "");
}

static bool tensor_map(Parse *p, KBuf *b, bool im2col);

static bool
buffer(Parse *p, KSpace space)
{
	KBuf b = { .space = space };
	const char *type;
	int64_t align;

	if (!(b.name = name(p, "the name of a buffer")) || !expect(p, ":"))
		return false;
	if (space == KSPACE_GLOBAL) {
		if (is_next(p, "tile") || is_next(p, "im2col"))
			return tensor_map(p, &b, !accept(p, "tile") && accept(p, "im2col"));
		if (!expect(p, "global"))
			return false;
		b.out = accept(p, "out");
	}
	size_t from = p->at;
	if (!(type = name(p, "an element type")))
		return false;
	if ((b.dt = dtype_named(type)) == DT_NONE) {
		p->at = from;
		return fail(p, "'%s' is no element type", type);
	}
	if (!expect(p, "["))
		return false;
	if (space == KSPACE_GLOBAL && accept(p, "?"))
		b.count = -1;
	else if (!integer(p, 1, KIR_MAX_COUNT, &b.count))
		return false;
	if (!expect(p, "]"))
		return false;
	b.inplace = space == KSPACE_GLOBAL && accept(p, "inplace");
	if (accept(p, "align")) {
		if (!integer(p, 1, 4096, &align))
			return false;
		b.align = (int)align;
	}
	if (space == KSPACE_SHARED && accept(p, "alias") && !buffer_named(p, &b.alias))
		return false;
	vec_push(p->a, &p->k->buf, b);
	return true;
}

/* "(1, 2)" into from .. to of one of the arrays */
static bool
list(Parse *p, const char *word, int from, int to, int64_t *wide, int *narrow)
{
	int64_t x;

	if (!expect(p, word) || !expect(p, "("))
		return false;
	for (int i = from; i < to; i++) {
		if ((i > from && !expect(p, ",")) || !integer(p, narrow ? -128 : 1, narrow ? 1024 : KIR_MAX_COUNT, &x))
			return false;
		if (wide)
			wide[i] = x;
		else
			narrow[i] = (int)x;
	}
	return expect(p, ")");
}

static bool
number(Parse *p, const char *word, int *x)
{
	int64_t v = 0;

	if (!expect(p, word) || !integer(p, 0, 1024, &v))
		return false;
	*x = (int)v;
	return true;
}

/* " steps 4 swizzle 128", in 8 bits each */
static bool
wgmma_shape(Parse *p, int64_t *imm)
{
	int steps, swizzle;

	if (!number(p, "steps", &steps) || !number(p, "swizzle", &swizzle))
		return false;
	if (steps > 255 || swizzle > 255)
		return fail(p, "steps and swizzle are at most 255");
	*imm = steps | swizzle << 8;
	return true;
}

/* a tensor map, from its word on */
static bool
tensor_map(Parse *p, KBuf *b, bool im2col)
{
	KTmap *m = NEW(p->a, KTmap);
	const char *why;
	size_t from = p->at;
	const char *type = name(p, "an element type");

	m->im2col = im2col;
	m->stride[0] = 1;
	for (int i = 0; i < 5; i++)
		m->step[i] = 1;
	b->space = KSPACE_TMAP;
	b->map = m;
	b->align = 16;
	if (!type || (b->dt = dtype_named(type)) == DT_NONE) {
		p->at = from;
		return fail(p, "'%s' is no element type", type ? type : "");
	}
	if (!expect(p, "["))
		return false;
	do {
		if (m->rank == 5)
			return fail(p, "a tensor map has at most 5 dimensions");
		if (!integer(p, 1, KIR_MAX_COUNT, &m->dim[m->rank++]))
			return false;
	} while (accept(p, ","));
	if (!expect(p, "]") || !list(p, "strides", 1, m->rank, m->stride, NULL))
		return false;
	if (im2col && m->rank < 3)
		return fail(p, "im2col has 3 dimensions or more");
	if (im2col ? !list(p, "steps", 1, m->rank - 1, NULL, m->step) || !list(p, "lower", 0, m->rank - 2, NULL, m->lower) ||
	             !list(p, "upper", 0, m->rank - 2, NULL, m->upper) || !number(p, "channels", &m->channels) ||
	             !number(p, "pixels", &m->pixels)
	           : !list(p, "box", 0, m->rank, NULL, m->box))
		return false;
	if (!number(p, "swizzle", &m->swizzle))
		return false;
	if ((why = ktmap_wrong(m, b->dt)))
		return fail(p, "%s: %s", b->name, why);
	b->count = 1;
	for (int i = 0; i < m->rank; i++)
		b->count += (m->dim[i] - 1) * m->stride[i];
	vec_push(p->a, &p->k->buf, *b);
	return true;
}

/* "x[%1]" */
static bool
place(Parse *p, uint32_t *buf, Reg *index)
{
	return buffer_named(p, buf) && expect(p, "[") && reg(p, index) && expect(p, "]");
}

/* ---- statements ---------------------------------------------------------------------- */

static bool block(Parse *p, KBlock *b, int depth);

static bool
nested(Parse *p, KBlock **b, int depth)
{
	*b = NEW(p->a, KBlock);
	return expect(p, "{") && block(p, *b, depth + 1);
}

static bool
args(Parse *p, KInst *i, int from, int to)
{
	for (int j = from; j < to; j++)
		if ((j > 0 && !expect(p, ",")) || !reg(p, &i->a[j]))
			return false;
	return true;
}

static bool
constant(Parse *p, KInst *i)
{
	KScalar s = (KScalar)p->k->reg.p[i->dst].s;
	KConst c = { 0 };

	if (ks_real(s) ? !real(p, &c.f) : !integer(p, INT64_MIN, INT64_MAX, &c.i))
		return false;
	if (ks_real(s))
		c = kconst_wrap(s, c);
	i->imm = c.i;
	i->fimm = c.f;
	return true;
}

static bool
axis(Parse *p, KInst *i)
{
	for (int x = 0; x < KAXIS_COUNT; x++)
		if (accept(p, kaxis_name[x])) {
			i->imm = x;
			return true;
		}
	return fail(p, "an axis is expected here, such as block.x");
}

/* what follows the name of the op */
static bool
operands(Parse *p, KInst *i, int depth)
{
	int n = kop_info[i->op].args;

	switch (i->op) {
	case K_const:
		return constant(p, i);
	case K_axis:
		return axis(p, i);
	case K_load: case K_load_if: case K_store: case K_store_if: case K_gather: case K_atomic_add:
	case K_atomic_fetch_add:
		return place(p, &i->buf, &i->a[0]) && args(p, i, 1, n) &&
		       (!accept(p, "part") || integer(p, 1, KIR_MAX_LANES, &i->imm));
	case K_cp_async:
		return place(p, &i->buf, &i->a[0]) && expect(p, ",") && place(p, &i->buf2, &i->a[1]) &&
		       args(p, i, 2, 3) && expect(p, "count") && integer(p, 1, 16, &i->imm);
	case K_ldmatrix:
		if (!place(p, &i->buf, &i->a[0]))
			return false;
		i->imm = accept(p, "transposed");
		return true;
	case K_lane: case K_part:
		return args(p, i, 0, 1) && expect(p, ",") && integer(p, 0, KIR_MAX_LANES - 1, &i->imm);
	case K_bytes:
		return args(p, i, 0, 2) && expect(p, ",") && integer(p, 0, 7777, &i->imm);
	case K_shuffle:
		return args(p, i, 0, 1) && expect(p, "xor") && integer(p, 1, KIR_WARP - 1, &i->imm);
	case K_tma_load:
		return place(p, &i->buf, &i->a[0]) && expect(p, ",") && buffer_named(p, &i->buf2) && expect(p, "at") &&
		       reg(p, &i->a[1]) && expect(p, ",") && place(p, &i->buf3, &i->a[2]) &&
		       (!accept(p, "ranks") || integer(p, 1, (1 << KIR_MAX_CLUSTER) - 1, &i->imm));
	case K_peer_load: case K_peer_arrive:
		return place(p, &i->buf, &i->a[0]) && expect(p, "of") && reg(p, &i->a[1]);
	case K_mbar_init: case K_mbar_arrive:
		return place(p, &i->buf, &i->a[0]) && expect(p, i->op == K_mbar_init ? "count" : "bytes") &&
		       integer(p, 0, KIR_MAX_BYTES, &i->imm);
	case K_mbar_wait:
		return place(p, &i->buf, &i->a[0]) && expect(p, "parity") && reg(p, &i->a[1]);
	case K_wgmma:
		return place(p, &i->buf, &i->a[0]) && expect(p, ",") && place(p, &i->buf2, &i->a[1]) && expect(p, ",") &&
		       reg(p, &i->a[2]) && wgmma_shape(p, &i->imm);
	case K_wgmma_a:
		if (!reg(p, &i->a[0]) || !expect(p, ",") || !place(p, &i->buf, &i->a[1]) || !expect(p, ",") || !reg(p, &i->a[2]) ||
		    !wgmma_shape(p, &i->imm))
			return false;
		i->imm |= (int64_t)accept(p, "across") << 16;
		i->imm |= (int64_t)accept(p, "fresh") << 17;
		return true;
	case K_cp_wait: case K_wgmma_wait:
		return integer(p, 0, 63, &i->imm);
	case K_regs_give: case K_regs_take:
		return integer(p, 24, 256, &i->imm);
	case K_for:
		return reg(p, &i->a[0]) && expect(p, "..") && reg(p, &i->a[1]) && expect(p, "step") &&
		       integer(p, 1, INT32_MAX, &i->imm) && nested(p, &i->body, depth);
	case K_if:
		return args(p, i, 0, 1) && nested(p, &i->body, depth) &&
		       (!accept(p, "else") || nested(p, &i->other, depth));
	case K_loop:
		return nested(p, &i->body, depth);
	default:
		return args(p, i, 0, n);
	}
}

static KOp
op_named(const char *s)
{
	for (int op = K_none + 1; op < K_COUNT; op++)
		if (strcmp(kop_info[op].name, s) == 0)
			return (KOp)op;
	return K_none;
}

static bool
statement(Parse *p, KBlock *b, int depth)
{
	KInst i = { 0 };
	size_t from = p->at;
	const char *word;

	if (accept(p, "for")) {
		i.op = K_for;
		if (!result(p, &i.dst))
			return false;
	} else {
		if (peek(p) == '%' && !result(p, &i.dst))
			return false;
		from = p->at;
		if (!(word = name(p, "an operation")))
			return false;
		i.op = op_named(word);
		if (i.op == K_none || i.op == K_for) {
			p->at = from;
			return fail(p, "there is no operation '%s'", word);
		}
	}
	if ((kop_info[i.op].shape != KSHAPE_NONE || i.op == K_for) != (i.dst != 0)) {
		p->at = from;
		return fail(p, i.dst ? "%s has no result" : "%s needs a register for its result",
		            kop_info[i.op].name);
	}
	if (!operands(p, &i, depth))
		return false;
	vec_push(p->a, &b->inst, i);
	return true;
}

/* up to and with the closing brace */
static bool
block(Parse *p, KBlock *b, int depth)
{
	if (depth > KIR_MAX_DEPTH)
		return fail(p, "blocks are nested deeper than %d", KIR_MAX_DEPTH);
	while (!accept(p, "}")) {
		if (p->at >= p->end)
			return fail(p, "the text ends inside a kernel");
		if (!statement(p, b, depth))
			return false;
	}
	return true;
}

static bool
parameters(Parse *p)
{
	if (!expect(p, "(") || accept(p, ")"))
		return !p->failed;
	do {
		if (!buffer(p, KSPACE_GLOBAL))
			return false;
	} while (accept(p, ","));
	return expect(p, ")");
}

static bool
kernel(Parse *p)
{
	int64_t resident = 0;

	if (!(p->k->name = name(p, "the name of a kernel")) || !parameters(p) ||
	    (accept(p, "grid") && !triple(p, p->k->grid)) ||
	    (accept(p, "cluster") && !triple(p, p->k->cluster)) ||
	    (accept(p, "threads") && !triple(p, p->k->block)) ||
	    (accept(p, "resident") && !integer(p, 1, KIR_MAX_RESIDENT, &resident)) || !expect(p, "{"))
		return false;
	p->k->resident = (int32_t)resident;
	for (;;) {
		KSpace space = accept(p, "shared") ? KSPACE_SHARED
		             : accept(p, "local") ? KSPACE_LOCAL : KSPACE_GLOBAL;

		if (space == KSPACE_GLOBAL)
			return block(p, &p->k->body, 0);
		if (!buffer(p, space))
			return false;
	}
}

KernelList *
kernel_parse(Arena *a, Diag *d, const Source *src, size_t *rest)
{
	Parse p = { .a = a, .d = d, .src = src, .end = src->len };
	KernelList *list = NEW(a, KernelList);

	skip(&p);
	while (accept(&p, "kernel")) {
		p.k = NEW(a, Kernel);
		p.k->a = a;
		for (int i = 0; i < 3; i++)
			p.k->grid[i] = p.k->cluster[i] = p.k->block[i] = 1;
		vec_push(a, &p.k->reg, ((KType){ 0 }));
		if (!kernel(&p))
			return NULL;
		vec_push(a, &list->k, p.k);
	}
	if (rest)
		*rest = p.at;
	else if (p.at < p.end && !fail(&p, "'kernel' is expected here"))
		return NULL;
	return list;
}
