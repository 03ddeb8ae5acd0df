/* verify.c -- whether a kernel means something: checked before it is run, printed as an
 * engine, or given to a back end.
 *
 * Three walks over the body:
 *   count     structure: registers, buffers and blocks exist where the op wants them
 *   diverge   which registers differ between the threads of a block (to a fixed point)
 *   check     types, definitions before uses on every path, indices, where threads meet
 *
 * A register is defined after an `if` when both sides define it, after a `loop` when it
 * is defined at every break, and never after a `for`, which may run no turn at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "kir/inner.h"

/* how a value varies inside a block of threads */
enum { UNIFORM, BY_WARP, BY_THREAD };

typedef VEC(Reg) Regs;

/* the loop at hand: what is defined at each of its breaks so far */
typedef struct Loop {
	struct Loop *outer;
	size_t begin;           /* position in the log */
	bool broken;
	Regs defined;
} Loop;

typedef struct Verify {
	Arena *a;               /* scratch */
	const Kernel *k;
	const KInst *at;
	const char *err;        /* in k->a; the first one wins */
	uint32_t *writes;       /* by register */
	const KInst **constant; /* by register: its only write, if that is a const */
	uint8_t *varies;        /* by register */
	bool *index;            /* by register: written by a for */
	bool *defined;          /* by register: on every path to here */
	bool *sums;             /* by register: written by a wgmma */
	Regs log;               /* registers in the order they became defined */
	Loop *loop;
	uint8_t *breaks;        /* by loop, in order of the text: how its breaks vary */
	size_t nloops, loops_seen;
	bool changed;
	bool threads;
} Verify;

static bool __attribute__((format(printf, 2, 3)))
fail(Verify *v, const char *fmt, ...)
{
	Text t = { .a = v->k->a };
	va_list ap;

	if (v->err)
		return false;
	text_printf(&t, "kernel %s: ", v->k->name ? v->k->name : "?");
	if (v->at) {
		text_put(&t, "`");
		kinst_text(&t, v->k, v->at);
		text_put(&t, "`: ");
	}
	va_start(ap, fmt);
	text_vprintf(&t, fmt, ap);
	va_end(ap);
	v->err = text_str(&t);
	return false;
}

static const char *
type_name(Verify *v, KType t)
{
	Text x = { .a = v->a };

	ktype_text(&x, t);
	return text_str(&x);
}

static KType
type_of(const Verify *v, Reg r)
{
	return v->k->reg.p[r];
}

static bool
identifier(const char *s)
{
	if (!s || !*s || (*s >= '0' && *s <= '9'))
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	return true;
}

/* ---- the kernel around its body -------------------------------------------------- */

static bool
check_buffers(Verify *v)
{
	const Kernel *k = v->k;
	Map *names = map_new(v->a);
	bool past_global = false;

	for (size_t i = 0; i < k->buf.n; i++) {
		const KBuf *b = &k->buf.p[i];
		bool global = kspace_param(b->space);
		const char *why;
		int64_t bytes;

		if (!identifier(b->name))
			return fail(v, "buffer %zu has no identifier for a name", i);
		if (map_has(names, b->name))
			return fail(v, "two buffers are called %s", b->name);
		map_set(names, b->name, (void *)b);
		if (b->space > KSPACE_TMAP || b->dt <= DT_NONE || b->dt >= DT_COUNT)
			return fail(v, "buffer %s: no such space or type", b->name);
		if (global && past_global)
			return fail(v, "buffer %s: parameters come first", b->name);
		if ((b->map != NULL) != (b->space == KSPACE_TMAP))
			return fail(v, "buffer %s: tensor maps, and they alone, describe a tensor", b->name);
		if (b->map && (why = ktmap_wrong(b->map, b->dt)))
			return fail(v, "buffer %s: %s", b->name, why);
		if (b->map && !v->threads)
			return fail(v, "buffer %s: a tensor map needs threads", b->name);
		past_global |= !global;
		if (global ? b->count != -1 && (b->count < 1 || b->count > KIR_MAX_COUNT)
		           : b->count < 1 ||
		             __builtin_mul_overflow(b->count, dtype_info[b->dt].bytes, &bytes) ||
		             bytes > KIR_MAX_LOCAL)
			return fail(v, "buffer %s: %" PRId64 " elements are not possible", b->name, b->count);
		if (b->space != KSPACE_GLOBAL && (b->out || b->inplace))
			return fail(v, "buffer %s: only global buffers are out or inplace", b->name);
		if (b->align < 0 || b->align > 4096 || (b->align & (b->align - 1)))
			return fail(v, "buffer %s: align %d is not a power of two up to 4096", b->name,
			            b->align);
		if (b->space == KSPACE_SHARED && !v->threads)
			return fail(v, "buffer %s: shared memory needs threads", b->name);
		if (b->space == KSPACE_SHARED && b->align > KIR_SHARED_ALIGN_MAX)
			return fail(v, "buffer %s: shared memory is aligned to %d at most", b->name, KIR_SHARED_ALIGN_MAX);
		if (b->alias && (b->alias > k->buf.n || b->alias == i + 1 || b->space != KSPACE_SHARED ||
		    k->buf.p[b->alias - 1].space != KSPACE_SHARED || k->buf.p[b->alias - 1].alias))
			return fail(v, "buffer %s: only shared buffers alias, and one with storage of its own", b->name);
	}
	return true;
}

static bool
check_shape(Verify *v)
{
	const Kernel *k = v->k;
	int64_t tasks = 1;

	if (!identifier(k->name))
		return fail(v, "its name is not an identifier");
	for (int i = 0; i < 3; i++) {
		if (k->grid[i] < 1)
			return fail(v, "grid(%d, %d, %d) is empty or too large", k->grid[0], k->grid[1],
			            k->grid[2]);
		if (k->block[i] < 1 || k->block[i] > KIR_MAX_THREADS)
			return fail(v, "threads(%d, %d, %d) are not between 1 and %d", k->block[0],
			            k->block[1], k->block[2], KIR_MAX_THREADS);
		if (k->cluster[i] < 1 || k->cluster[i] > KIR_MAX_CLUSTER || k->grid[i] % k->cluster[i])
			return fail(v, "cluster(%d, %d, %d) does not divide grid(%d, %d, %d)", k->cluster[0], k->cluster[1],
			            k->cluster[2], k->grid[0], k->grid[1], k->grid[2]);
		if (__builtin_mul_overflow(tasks, (int64_t)k->grid[i], &tasks))
			return fail(v, "grid(%d, %d, %d) is too large", k->grid[0], k->grid[1], k->grid[2]);
	}
	if (kernel_cluster(k) > KIR_MAX_CLUSTER)
		return fail(v, "cluster(%d, %d, %d) is more than %d blocks", k->cluster[0], k->cluster[1], k->cluster[2],
		            KIR_MAX_CLUSTER);
	if (kernel_threads(k) > KIR_MAX_THREADS)
		return fail(v, "threads(%d, %d, %d) are more than %d", k->block[0], k->block[1],
		            k->block[2], KIR_MAX_THREADS);
	if (k->resident < 0 || k->resident > KIR_MAX_RESIDENT)
		return fail(v, "%d resident blocks are not between 0 and %d", k->resident, KIR_MAX_RESIDENT);
	if (k->reg.n < 1 || k->reg.n > KIR_MAX_REGS)
		return fail(v, "%zu registers are too many", k->reg.n);
	return true;
}

/* ---- count -------------------------------------------------------------------------- */

static bool
op_writes(KOp op)
{
	return kop_info[op].shape != KSHAPE_NONE || op == K_for;
}

static bool
count_inst(Verify *v, const KInst *i)
{
	v->at = i;
	if (i->op <= K_none || i->op >= K_COUNT) {
		v->at = NULL;
		return fail(v, "there is no operation %d", (int)i->op);
	}
	if (i->dst >= v->k->reg.n || i->a[0] >= v->k->reg.n || i->a[1] >= v->k->reg.n ||
	    i->a[2] >= v->k->reg.n) {
		v->at = NULL;
		return fail(v, "%s names a register that does not exist", kop_info[i->op].name);
	}
	for (int j = 0; j < 3; j++)
		if ((i->a[j] != 0) != (j < kop_info[i->op].args))
			return fail(v, "%s takes %d registers", kop_info[i->op].name, kop_info[i->op].args);
	if ((i->dst != 0) != op_writes(i->op))
		return fail(v, op_writes(i->op) ? "its result goes nowhere" : "it has no result");
	if (i->dst) {
		KType t = type_of(v, i->dst);

		if (t.s <= KS_NONE || t.s >= KS_COUNT || t.lanes < 1 || t.lanes > KIR_MAX_LANES)
			return fail(v, "%%%" PRIu32 " has no possible type", i->dst);
		v->constant[i->dst] = v->writes[i->dst]++ == 0 && i->op == K_const ? i : NULL;
	}
	bool flow = i->op == K_for || i->op == K_if || i->op == K_loop;
	if ((i->body != NULL) != flow || (i->other && i->op != K_if))
		return fail(v, "its blocks are not those of a %s", kop_info[i->op].name);
	int buffers = kop_buffers(i->op);
	if ((i->buf != 0) != (buffers > 0) || (i->buf2 != 0) != (buffers > 1) || (i->buf3 != 0) != (buffers > 2) ||
	    i->buf > v->k->buf.n || i->buf2 > v->k->buf.n || i->buf3 > v->k->buf.n)
		return fail(v, "its buffers are not those of a %s", kop_info[i->op].name);
	return true;
}

static bool
count(Verify *v, const KBlock *b, int depth)
{
	if (depth > KIR_MAX_DEPTH)
		return fail(v, "blocks are nested deeper than %d", KIR_MAX_DEPTH);
	for (size_t i = 0; i < b->inst.n; i++) {
		const KInst *x = &b->inst.p[i];

		if (!count_inst(v, x))
			return false;
		v->nloops += x->op == K_loop;
		if (x->op == K_for)
			v->index[x->dst] = true;
		if (x->op == K_wgmma || x->op == K_wgmma_a)
			v->sums[x->dst] = true;
		if ((x->body && !count(v, x->body, depth + 1)) ||
		    (x->other && !count(v, x->other, depth + 1)))
			return false;
	}
	return true;
}

/* ---- diverge ------------------------------------------------------------------------ */

static int
axis_varies(const Kernel *k, int64_t axis)
{
	switch (axis) {
	case KAXIS_THREAD_X:
		return k->block[0] == 1 ? UNIFORM : BY_THREAD;
	case KAXIS_THREAD_Y: case KAXIS_THREAD_Z:
		if (k->block[axis - KAXIS_THREAD_X] == 1)
			return UNIFORM;
		return k->block[0] % KIR_WARP == 0 ? BY_WARP : BY_THREAD;
	case KAXIS_LANE:
		return BY_THREAD;
	case KAXIS_WARP:
		return kernel_threads(k) <= KIR_WARP ? UNIFORM : BY_WARP;
	default:
		return UNIFORM;
	}
}

/* how the result of an instruction varies, apart from who gets there */
static int
result_varies(const Verify *v, const KInst *i)
{
	int level = UNIFORM;

	for (int j = 0; j < kop_info[i->op].args; j++)
		level = MAX(level, v->varies[i->a[j]]);
	if (i->op == K_axis)
		return axis_varies(v->k, i->imm);
	if (i->op == K_vote_any || i->op == K_ballot || (i->op == K_shuffle_idx && v->varies[i->a[1]] < BY_THREAD))
		return MIN(v->varies[i->a[0]], BY_WARP);
	if (i->op == K_mma || i->op == K_ldmatrix || i->op == K_wgmma || i->op == K_wgmma_a || i->op == K_wgmma_get ||
	    i->op == K_atomic_fetch_add || i->op == K_peer_load ||
	    ((i->op == K_shuffle || i->op == K_shuffle_idx) && v->varies[i->a[0]] > UNIFORM) ||
	    (kop_info[i->op].cls == KCLASS_READ && v->k->buf.p[i->buf - 1].space == KSPACE_LOCAL))
		return BY_THREAD;
	return level;
}

static void
raise_level(Verify *v, uint8_t *x, int level)
{
	if (*x < level) {
		*x = (uint8_t)level;
		v->changed = true;
	}
}

/* control: how the threads that come here vary */
static void
diverge(Verify *v, const KBlock *b, int control, uint8_t *breaks)
{
	for (size_t i = 0; i < b->inst.n; i++) {
		const KInst *x = &b->inst.p[i];
		int level = MAX(control, result_varies(v, x));

		if (x->dst)
			raise_level(v, &v->varies[x->dst], level);
		if (x->op == K_break_if && breaks)
			raise_level(v, breaks, level);
		if (x->op == K_loop) {
			uint8_t *mine = &v->breaks[v->loops_seen++];

			diverge(v, x->body, MAX(control, *mine), mine);
			continue;
		}
		if (x->body)
			diverge(v, x->body, level, breaks);
		if (x->other)
			diverge(v, x->other, level, breaks);
	}
}

static void
find_divergence(Verify *v)
{
	if (!v->threads)
		return;
	/* A long chain of moves around a loop needs many rounds; a hostile text could ask
	 * for very many, so after some everything is taken to vary. */
	for (int round = 0; round < 64; round++) {
		v->changed = false;
		v->loops_seen = 0;
		diverge(v, &v->k->body, UNIFORM, NULL);
		if (!v->changed)
			return;
	}
	memset(v->varies, BY_THREAD, v->k->reg.n);
	memset(v->breaks, BY_THREAD, v->nloops);
}

/* ---- check: types ------------------------------------------------------------------- */

static bool
want(Verify *v, const char *what, KType have, KType wanted)
{
	if (kt_same(have, wanted))
		return true;
	return fail(v, "%s is %s, not %s", what, type_name(v, have), type_name(v, wanted));
}

static const char *const arg_name[3] = { "the first argument", "the second argument", "the third argument" };

/* lanes that an access touches */
static int64_t
touched(const KInst *i, int lanes)
{
	return i->imm ? i->imm : lanes;
}

static bool
check_index(Verify *v, uint32_t buf, Reg index, int64_t n)
{
	const KBuf *b = &v->k->buf.p[buf - 1];
	const KInst *c = v->constant[index];

	if (!c || v->writes[index] != 1 || b->count < 0)
		return true;
	if (c->imm < 0 || c->imm > b->count - n)
		return fail(v, "elements %" PRId64 " .. %" PRId64 " of %s, which has %" PRId64, c->imm,
		            c->imm + n, b->name, b->count);
	return true;
}

static bool
check_access(Verify *v, const KInst *i)
{
	const KBuf *b = &v->k->buf.p[i->buf - 1];
	if (b->space == KSPACE_TMAP)
		return fail(v, "%s is a tensor map, for tma_load alone", b->name);
	bool read = kop_info[i->op].cls == KCLASS_READ, lone = i->op == K_gather;
	KType t = type_of(v, read ? i->dst : i->a[1]);
	bool cond = i->op == K_load_if || i->op == K_store_if;

	if (!want(v, "the index", type_of(v, i->a[0]), kt(KS_IX, lone ? t.lanes : 1)) ||
	    !want(v, read ? "the register" : "the value", t, kt(kscalar_of(b->dt), t.lanes)) ||
	    (cond && !want(v, "the condition", type_of(v, i->a[read ? 1 : 2]), kt(KS_I1, 1))))
		return false;
	if (!read && b->space == KSPACE_GLOBAL && !b->out)
		return fail(v, "%s is not an out", b->name);
	bool atomic = i->op == K_atomic_add || i->op == K_atomic_fetch_add;
	if (i->imm < 0 || i->imm > t.lanes || (i->imm && (lone || atomic)))
		return fail(v, "part %" PRId64 " of %d lanes", i->imm, t.lanes);
	if (atomic && (t.lanes != 1 || t.s == KS_I1 || t.s == KS_U8 || b->space == KSPACE_LOCAL))
		return fail(v, "%s takes one number of 16 bits or more, in global or shared memory",
		            kop_info[i->op].name);
	if (i->dst && atomic && !want(v, "the register", type_of(v, i->dst), t))
		return false;
	return cond || check_index(v, i->buf, i->a[0], lone ? 1 : touched(i, t.lanes));
}

static bool
check_cp_async(Verify *v, const KInst *i)
{
	const KBuf *to = &v->k->buf.p[i->buf - 1], *from = &v->k->buf.p[i->buf2 - 1];
	int64_t size = dtype_info[to->dt].bytes, bytes = i->imm * size;

	if (to->space != KSPACE_SHARED || from->space != KSPACE_GLOBAL)
		return fail(v, "it copies from global to shared memory");
	if (to->dt != from->dt)
		return fail(v, "%s is %s, but %s is %s", to->name, dtype_info[to->dt].name, from->name,
		            dtype_info[from->dt].name);
	if (i->imm < 1 || i->imm > 16 || (bytes != 4 && bytes != 8 && bytes != 16))
		return fail(v, "it copies 4, 8 or 16 bytes, not %" PRId64 " elements", i->imm);
	return want(v, "the index in shared memory", type_of(v, i->a[0]), kt(KS_IX, 1)) &&
	       want(v, "the index in global memory", type_of(v, i->a[1]), kt(KS_IX, 1)) &&
	       want(v, "the condition", type_of(v, i->a[2]), kt(KS_I1, 1)) &&
	       check_index(v, i->buf, i->a[0], i->imm);
}

static bool
check_mma(Verify *v, const KInst *i)
{
	KScalar a = (KScalar)type_of(v, i->a[0]).s, s = a == KS_BF16 || a == KS_F32 || a == KS_U8 ? a : KS_F16;
	int lanes = s == KS_F32 ? 4 : s == KS_U8 ? 16 : 8;
	KType sum = kt(s == KS_U8 ? KS_I32 : KS_F32, 4);

	return want(v, "A", type_of(v, i->a[0]), kt(s, lanes)) &&
	       want(v, "B", type_of(v, i->a[1]), kt(s, lanes / 2)) &&
	       want(v, "C", type_of(v, i->a[2]), sum) && want(v, "the register", type_of(v, i->dst), sum);
}

static bool
check_ldmatrix(Verify *v, const KInst *i)
{
	const KBuf *b = &v->k->buf.p[i->buf - 1];
	bool halves = b->dt == DT_F16 || b->dt == DT_BF16;
	int lanes = 16 / dtype_info[b->dt].bytes;

	if (b->space != KSPACE_SHARED || (!halves && b->dt != DT_F32 && b->dt != DT_U8))
		return fail(v, "%s is not shared memory of f16, bf16, f32 or u8", b->name);
	if (i->imm != 0 && i->imm != 1)
		return fail(v, "transposed is 0 or 1, not %" PRId64, i->imm);
	if (i->imm && !halves)
		return fail(v, "only 16-bit reals are transposed, and %s is %s", b->name, dtype_info[b->dt].name);
	return want(v, "the index", type_of(v, i->a[0]), kt(KS_IX, 1)) &&
	       want(v, "the register", type_of(v, i->dst), kt(kscalar_of(b->dt), lanes)) &&
	       check_index(v, i->buf, i->a[0], lanes);
}

/* buf[index] is an mbarrier */
static bool
check_mbar(Verify *v, uint32_t buf, Reg index)
{
	const KBuf *b = &v->k->buf.p[buf - 1];

	if (b->space != KSPACE_SHARED || b->dt != DT_I64 || b->alias)
		return fail(v, "%s is not shared memory of i64 with storage of its own", b->name);
	return want(v, "the index of the barrier", type_of(v, index), kt(KS_IX, 1)) && check_index(v, buf, index, 1);
}

static bool
check_mbar_op(Verify *v, const KInst *i)
{
	if (i->op == K_mbar_init && (i->imm < 1 || i->imm > KIR_MAX_THREADS))
		return fail(v, "%" PRId64 " arrivals", i->imm);
	if (i->op == K_mbar_arrive && (i->imm < 0 || i->imm > KIR_MAX_BYTES))
		return fail(v, "%" PRId64 " bytes", i->imm);
	return check_mbar(v, i->buf, i->a[0]) &&
	       (i->op != K_mbar_wait || want(v, "the parity", type_of(v, i->a[1]), kt(KS_I32, 1)));
}

static bool
check_tma(Verify *v, const KInst *i)
{
	const KBuf *to = &v->k->buf.p[i->buf - 1], *from = &v->k->buf.p[i->buf2 - 1];

	if (to->space != KSPACE_SHARED || from->space != KSPACE_TMAP)
		return fail(v, "it copies through a tensor map to shared memory");
	if (to->dt != from->dt)
		return fail(v, "%s is %s, but %s is %s", to->name, dtype_info[to->dt].name, from->name,
		            dtype_info[from->dt].name);
	if (i->imm < 0 || i->imm >> kernel_cluster(v->k))
		return fail(v, "ranks %" PRId64 " are not those of %" PRId64 " blocks", i->imm, kernel_cluster(v->k));
	return want(v, "the index in shared memory", type_of(v, i->a[0]), kt(KS_IX, 1)) &&
	       want(v, "the place", type_of(v, i->a[1]), kt(KS_IX, ktmap_coordinates(from->map))) &&
	       check_mbar(v, i->buf3, i->a[2]) && check_index(v, i->buf, i->a[0], ktmap_box(from->map));
}

static bool
check_peer(Verify *v, const KInst *i)
{
	const KBuf *b = &v->k->buf.p[i->buf - 1];
	KType t = type_of(v, i->dst);

	if (!want(v, "the rank", type_of(v, i->a[1]), kt(KS_IX, 1)))
		return false;
	if (i->op == K_peer_arrive)
		return check_mbar(v, i->buf, i->a[0]);
	if (b->space != KSPACE_SHARED || b->alias || (b->dt != DT_I32 && b->dt != DT_F32))
		return fail(v, "%s is not shared memory of i32 or f32 with storage of its own", b->name);
	if (t.lanes != 1 && t.lanes != 2 && t.lanes != 4)
		return fail(v, "it reads 1, 2 or 4 elements, not %d", t.lanes);
	return want(v, "the index", type_of(v, i->a[0]), kt(KS_IX, 1)) &&
	       want(v, "the register", t, kt(kscalar_of(b->dt), t.lanes)) && check_index(v, i->buf, i->a[0], t.lanes);
}

static bool
check_wgmma(Verify *v, const KInst *i)
{
	const KBuf *a = &v->k->buf.p[i->buf - 1], *b = &v->k->buf.p[i->buf2 - 1];
	int64_t steps = i->imm & 255, swizzle = i->imm >> 8;
	KType t = type_of(v, i->dst);

	if (a->space != KSPACE_SHARED || b->space != KSPACE_SHARED || a->dt != b->dt ||
	    (a->dt != DT_F16 && a->dt != DT_BF16))
		return fail(v, "its operands are f16 or bf16 in shared memory");
	if ((swizzle != 32 && swizzle != 64 && swizzle != 128) || steps < 1 || 32 * steps > swizzle)
		return fail(v, "%" PRId64 " steps of 32 bytes do not fit rows of %" PRId64 " bytes", steps, swizzle);
	if (t.s != KS_F32 || t.lanes % 4)
		return fail(v, "the register is %s, not f32 of a multiple of 4 lanes", type_name(v, t));
	return want(v, "the index of A", type_of(v, i->a[0]), kt(KS_IX, 1)) &&
	       want(v, "the index of B", type_of(v, i->a[1]), kt(KS_IX, 1)) &&
	       want(v, "the sum", type_of(v, i->a[2]), t) &&
	       check_index(v, i->buf, i->a[0], 64 * swizzle / 2) &&
	       check_index(v, i->buf2, i->a[1], t.lanes * swizzle);
}

static bool
check_wgmma_a(Verify *v, const KInst *i)
{
	const KBuf *b = &v->k->buf.p[i->buf - 1];
	int64_t steps = i->imm & 255, swizzle = i->imm >> 8 & 255, across = i->imm >> 16 & 1;
	KType t = type_of(v, i->dst), a = type_of(v, i->a[0]);

	if (b->space != KSPACE_SHARED || (b->dt != DT_F16 && b->dt != DT_BF16))
		return fail(v, "its operand B is f16 or bf16 in shared memory");
	if ((swizzle != 32 && swizzle != 64 && swizzle != 128) || steps < 1 || (!across && 32 * steps > swizzle))
		return fail(v, "%" PRId64 " steps of 32 bytes do not fit rows of %" PRId64 " bytes", steps, swizzle);
	if (8 * steps > KIR_MAX_LANES)
		return fail(v, "%" PRId64 " steps are more than registers have lanes for", steps);
	if (t.s != KS_F32 || t.lanes % 4)
		return fail(v, "the register is %s, not f32 of a multiple of 4 lanes", type_name(v, t));
	if (across && 4 * t.lanes != swizzle)
		return fail(v, "%d columns are not rows of %" PRId64 " bytes", 2 * t.lanes, swizzle);
	return want(v, "A", a, kt(kscalar_of(b->dt), (int)(8 * steps))) &&
	       want(v, "the index of B", type_of(v, i->a[1]), kt(KS_IX, 1)) && want(v, "the sum", type_of(v, i->a[2]), t) &&
	       check_index(v, i->buf, i->a[1], (across ? 8 * steps : t.lanes) * swizzle);
}

static bool
check_select(Verify *v, const KInst *i, KType t)
{
	KType c = type_of(v, i->a[0]);

	if (c.s != KS_I1 || (c.lanes != 1 && c.lanes != t.lanes))
		return fail(v, "the condition is %s, not i1 of one or %d lanes", type_name(v, c), t.lanes);
	return want(v, arg_name[1], type_of(v, i->a[1]), t) && want(v, arg_name[2], type_of(v, i->a[2]), t);
}

static bool
check_const(Verify *v, const KInst *i, KType t)
{
	KConst c = { i->imm, i->fimm };

	if (!ks_real((KScalar)t.s) && kconst_wrap((KScalar)t.s, c).i != c.i)
		return fail(v, "%" PRId64 " does not fit %s", i->imm, kscalar_name[t.s]);
	return true;
}

/* ops that work lane by lane on one type */
static bool
check_lanewise(Verify *v, const KInst *i, KType t)
{
	KType a = type_of(v, i->a[0]);

	if (!klane_fn(i->op, (KScalar)a.s))
		return fail(v, "%s is not defined on %s", kop_info[i->op].name, kscalar_name[a.s]);
	for (int j = 1; j < kop_info[i->op].args; j++)
		if (!want(v, arg_name[j], type_of(v, i->a[j]), a))
			return false;
	if (kop_info[i->op].shape == KSHAPE_BOOL)
		a.s = KS_I1;
	return want(v, "the register", t, a);
}

static bool
check_bytes(Verify *v, const KInst *i)
{
	const Reg reg[3] = { i->dst, i->a[0], i->a[1] };

	for (int j = 0; j < 3; j++) {
		KType t = type_of(v, reg[j]);

		if (t.s == KS_I1 || t.s == KS_IX || dtype_info[kdtype_of((KScalar)t.s)].bytes * t.lanes != 4)
			return fail(v, "%s is %s, which does not take 4 bytes", j ? arg_name[j - 1] : "the register", type_name(v, t));
	}
	for (int64_t d = i->imm, j = 0; j < 4; j++, d /= 10)
		if (d % 10 > 7)
			return fail(v, "there is no byte %" PRId64 " of 8", d % 10);
	return (i->imm >= 0 && i->imm < 10000) || fail(v, "%" PRId64 " is not four digits", i->imm);
}

static bool
check_for(Verify *v, const KInst *i, KType t)
{
	if (!ks_int((KScalar)t.s) || t.s == KS_U8 || t.lanes != 1)
		return fail(v, "its index is %s, not one integer", type_name(v, t));
	if (i->imm < 1 || i->imm > INT32_MAX)
		return fail(v, "step %" PRId64 " is not between 1 and 2^31 - 1", i->imm);
	return want(v, "the start", type_of(v, i->a[0]), t) && want(v, "the end", type_of(v, i->a[1]), t);
}

static bool
check_types(Verify *v, const KInst *i)
{
	KType t = type_of(v, i->dst), a = type_of(v, i->a[0]);

	switch (i->op) {
	case K_const:
		return check_const(v, i, t);
	case K_axis:
		if (i->imm < 0 || i->imm >= KAXIS_COUNT)
			return fail(v, "there is no axis %" PRId64, i->imm);
		return want(v, "the register", t, kt(KS_IX, 1));
	case K_select:
		return check_select(v, i, t);
	case K_cast:
		return want(v, "the argument", a, kt((KScalar)a.s, t.lanes));
	case K_splat:
		return want(v, "the argument", a, kt((KScalar)t.s, 1));
	case K_lanes:
		return ks_int((KScalar)t.s) || fail(v, "lanes are integers");
	case K_lane:
		if (i->imm < 0 || i->imm >= a.lanes)
			return fail(v, "lane %" PRId64 " of %d", i->imm, a.lanes);
		return want(v, "the register", t, kt((KScalar)a.s, 1));
	case K_part:
		if (i->imm < 0 || i->imm > a.lanes - t.lanes)
			return fail(v, "lanes %" PRId64 " .. %" PRId64 " of %d", i->imm, i->imm + t.lanes, a.lanes);
		return want(v, "the register", t, kt((KScalar)a.s, t.lanes));
	case K_join: {
		KType b = type_of(v, i->a[1]);

		return want(v, arg_name[1], b, kt((KScalar)a.s, b.lanes)) &&
		       want(v, "the register", t, kt((KScalar)a.s, a.lanes + b.lanes));
	}
	case K_bytes:
		return check_bytes(v, i);
	case K_reduce_add: case K_reduce_max:
		if (a.s == KS_I1)
			return fail(v, "%s is not defined on i1", kop_info[i->op].name);
		return want(v, "the register", t, kt((KScalar)a.s, 1));
	case K_load: case K_load_if: case K_gather: case K_store: case K_store_if: case K_atomic_add:
	case K_atomic_fetch_add:
		return check_access(v, i);
	case K_for:
		return check_for(v, i, t);
	case K_if:
		return want(v, "the condition", a, kt(KS_I1, 1));
	case K_break_if:
		if (!v->loop)
			return fail(v, "there is no loop to leave");
		return want(v, "the condition", a, kt(KS_I1, 1));
	case K_shuffle:
		if (i->imm < 1 || i->imm >= KIR_WARP)
			return fail(v, "xor %" PRId64 " is not between 1 and %d", i->imm, KIR_WARP - 1);
		return want(v, "the register", t, a);
	case K_shuffle_idx:
		return want(v, arg_name[1], type_of(v, i->a[1]), kt(KS_IX, 1)) && want(v, "the register", t, a);
	case K_vote_any:
		return want(v, arg_name[0], a, kt(KS_I1, 1)) && want(v, "the register", t, a);
	case K_ballot:
		return want(v, arg_name[0], a, kt(KS_I1, 1)) && want(v, "the register", t, kt(KS_I32, 1));
	case K_ldmatrix:
		return check_ldmatrix(v, i);
	case K_mbar_init: case K_mbar_arrive: case K_mbar_wait:
		return check_mbar_op(v, i);
	case K_tma_load:
		return check_tma(v, i);
	case K_peer_load: case K_peer_arrive:
		return check_peer(v, i);
	case K_regs_give: case K_regs_take:
		return (i->imm >= 24 && i->imm <= 256 && i->imm % 8 == 0) ||
		       fail(v, "%" PRId64 " registers are not a multiple of 8 from 24 to 256", i->imm);
	case K_wgmma:
		return check_wgmma(v, i);
	case K_wgmma_a:
		return check_wgmma_a(v, i);
	case K_wgmma_get:
		if (a.s != KS_F32)
			return fail(v, "the sums are %s, not f32", type_name(v, a));
		return want(v, "the register", t, a);
	case K_cp_async:
		return check_cp_async(v, i);
	case K_cp_wait: case K_wgmma_wait:
		return (i->imm >= 0 && i->imm < 64) || fail(v, "%" PRId64 " groups", i->imm);
	case K_mma:
		return check_mma(v, i);
	case K_none: case K_loop: case K_barrier: case K_cluster_barrier: case K_cp_commit: case K_async_fence: case K_grid_wait: case K_COUNT:
		return true;
	default:
		return check_lanewise(v, i, t);
	}
}

/* ---- check: definitions and meetings -------------------------------------------------- */

static void
define(Verify *v, Reg r)
{
	if (!v->defined[r]) {
		v->defined[r] = true;
		vec_push(v->a, &v->log, r);
	}
}

/* back to what was defined when the log had `n` entries; what is taken away, in *taken */
static void
undefine(Verify *v, size_t n, Regs *taken)
{
	for (size_t i = n; i < v->log.n; i++) {
		v->defined[v->log.p[i]] = false;
		if (taken)
			vec_push(v->a, taken, v->log.p[i]);
	}
	v->log.n = n;
}

static void
at_break(Verify *v)
{
	Loop *l = v->loop;
	size_t n = 0;

	if (!l->broken) {
		for (size_t i = l->begin; i < v->log.n; i++)
			if (!v->index[v->log.p[i]])
				vec_push(v->a, &l->defined, v->log.p[i]);
	} else {
		for (size_t i = 0; i < l->defined.n; i++)
			if (v->defined[l->defined.p[i]])
				l->defined.p[n++] = l->defined.p[i];
		l->defined.n = n;
	}
	l->broken = true;
}

static bool check(Verify *v, const KBlock *b, int control);

static bool
check_if(Verify *v, const KInst *i, int control)
{
	size_t before = v->log.n;
	Regs one = { 0 }, both = { 0 };

	if (!check(v, i->body, control))
		return false;
	undefine(v, before, &one);
	if (i->other && !check(v, i->other, control))
		return false;
	for (size_t j = 0; j < one.n; j++)
		if (v->defined[one.p[j]])
			vec_push(v->a, &both, one.p[j]);
	undefine(v, before, NULL);
	for (size_t j = 0; j < both.n; j++)
		define(v, both.p[j]);
	return true;
}

static bool
check_loop(Verify *v, const KInst *i, int control)
{
	Loop loop = { .outer = v->loop, .begin = v->log.n };

	v->loop = &loop;
	int breaks = v->breaks[v->loops_seen++];
	bool ok = check(v, i->body, MAX(control, breaks));
	v->loop = loop.outer;
	v->at = i;
	if (ok && !loop.broken)
		return fail(v, "nothing leaves this loop");
	undefine(v, loop.begin, NULL);
	for (size_t j = 0; j < loop.defined.n; j++)
		define(v, loop.defined.p[j]);
	return ok;
}

static bool
check_meeting(Verify *v, const KInst *i, int control)
{
	if (kop_info[i->op].world == KWORLD_GPU && !v->threads)
		return fail(v, "%s needs threads", kop_info[i->op].name);
	if ((i->op == K_barrier || i->op == K_cluster_barrier) && control > UNIFORM)
		return fail(v, "not all threads of the block come here together");
	if (kop_group(i->op) && kernel_threads(v->k) < KIR_GROUP)
		return fail(v, "%s needs a group of %d threads", kop_info[i->op].name, KIR_GROUP);
	if ((i->op == K_mma || i->op == K_ldmatrix) && kernel_threads(v->k) % KIR_WARP)
		return fail(v, "%s needs whole warps of threads", kop_info[i->op].name);
	if (kop_warp(i->op) && control > BY_WARP)
		return fail(v, "not all threads of the warp come here together");
	return true;
}

static bool
check(Verify *v, const KBlock *b, int control)
{
	for (size_t n = 0; n < b->inst.n; n++) {
		const KInst *i = &b->inst.p[n];

		v->at = i;
		for (int j = 0; j < kop_info[i->op].args; j++)
			if (!v->defined[i->a[j]])
				return fail(v, "%%%" PRIu32 " may not have a value here", i->a[j]);
		if (!check_types(v, i) || !check_meeting(v, i, control))
			return false;
		for (int j = 0; j < kop_info[i->op].args; j++)
			if (v->sums[i->a[j]] && i->op != K_wgmma_get && ((i->op != K_wgmma && i->op != K_wgmma_a) || j != 2))
				return fail(v, "%%%" PRIu32 " is a sum under way: wgmma_get has its value", i->a[j]);
		if (i->op == K_grid_wait && b != &v->k->body)
			return fail(v, "it stands at the top level of the kernel alone");
		if (i->dst && v->index[i->dst] && v->writes[i->dst] > 1)
			return fail(v, "the index of a for is written by the for alone");
		switch (i->op) {
		case K_if:
			if (!check_if(v, i, MAX(control, v->varies[i->a[0]])))
				return false;
			break;
		case K_for: {
			size_t before = v->log.n;

			define(v, i->dst);
			if (!check(v, i->body, MAX(control, MAX(v->varies[i->a[0]], v->varies[i->a[1]]))))
				return false;
			undefine(v, before, NULL);
			break;
		}
		case K_loop:
			if (!check_loop(v, i, control))
				return false;
			break;
		case K_break_if:
			at_break(v);
			break;
		default:
			if (i->dst)
				define(v, i->dst);
			break;
		}
	}
	return true;
}

bool
kernel_verify(const Kernel *k, const char **err)
{
	Arena *a = arena_new();
	Verify v = { .a = a, .k = k, .threads = kernel_threads(k) > 1 };

	if (check_shape(&v) && check_buffers(&v)) {
		v.writes = NEWN(a, uint32_t, k->reg.n);
		v.constant = NEWN(a, const KInst *, k->reg.n);
		v.varies = NEWN(a, uint8_t, k->reg.n);
		v.index = NEWN(a, bool, k->reg.n);
		v.defined = NEWN(a, bool, k->reg.n);
		v.sums = NEWN(a, bool, k->reg.n);
		if (count(&v, &k->body, 0)) {
			v.breaks = NEWN(a, uint8_t, v.nloops);
			find_divergence(&v);
			v.loops_seen = 0;
			v.at = NULL;
			check(&v, &k->body, UNIFORM);
		}
	}
	arena_free(a);
	if (err)
		*err = v.err;
	return v.err == NULL;
}
