/* kir.c -- the tables, made from the rows of kops.def, and what everyone asks a kernel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kir/inner.h"

const char *const kscalar_name[KS_COUNT] = {
	[KS_NONE] = "none", [KS_I1] = "i1", [KS_U8] = "u8", [KS_I32] = "i32", [KS_I64] = "i64",
	[KS_IX] = "ix", [KS_F16] = "f16", [KS_BF16] = "bf16", [KS_F32] = "f32", [KS_F64] = "f64",
};

const char *const kaxis_name[KAXIS_COUNT] = {
	[KAXIS_BLOCK_X] = "block.x", [KAXIS_BLOCK_Y] = "block.y", [KAXIS_BLOCK_Z] = "block.z",
	[KAXIS_THREAD_X] = "thread.x", [KAXIS_THREAD_Y] = "thread.y", [KAXIS_THREAD_Z] = "thread.z",
	[KAXIS_LANE] = "lane", [KAXIS_WARP] = "warp",
	[KAXIS_CLUSTER_X] = "cluster.x", [KAXIS_CLUSTER_Y] = "cluster.y", [KAXIS_CLUSTER_Z] = "cluster.z",
	[KAXIS_RANK] = "rank",
};

const KOpInfo kop_info[K_COUNT] = {
	[K_none] = { "none", 0, KSHAPE_NONE, KCLASS_PURE, KWORLD_ANY, "nothing" },
#define KOP(name, args, shape, cls, world, meaning) \
	[K_##name] = { #name, args, KSHAPE_##shape, KCLASS_##cls, KWORLD_##world, meaning },
#include "kir/kops.def"
#undef KOP
};

KType
kt(KScalar s, int lanes)
{
	return (KType){ (uint8_t)s, (uint8_t)lanes };
}

KScalar
kscalar_of(DType dt)
{
	static const KScalar of[DT_COUNT] = {
		[DT_U8] = KS_U8, [DT_BOOL] = KS_I1, [DT_I32] = KS_I32, [DT_I64] = KS_I64,
		[DT_F16] = KS_F16, [DT_BF16] = KS_BF16, [DT_F32] = KS_F32, [DT_F64] = KS_F64,
	};

	return of[dt];
}

DType
kdtype_of(KScalar s)
{
	static const DType of[KS_COUNT] = {
		[KS_I1] = DT_BOOL, [KS_U8] = DT_U8, [KS_I32] = DT_I32, [KS_I64] = DT_I64, [KS_IX] = DT_I64,
		[KS_F16] = DT_F16, [KS_BF16] = DT_BF16, [KS_F32] = DT_F32, [KS_F64] = DT_F64,
	};

	return of[s];
}

static size_t
count_insts(const KBlock *b)
{
	size_t n = b->inst.n;

	for (size_t i = 0; i < b->inst.n; i++) {
		if (b->inst.p[i].body)
			n += count_insts(b->inst.p[i].body);
		if (b->inst.p[i].other)
			n += count_insts(b->inst.p[i].other);
	}
	return n;
}

size_t
kernel_insts(const Kernel *k)
{
	return count_insts(&k->body);
}

int64_t
kernel_shared_layout(const Kernel *k, int64_t *offset)
{
	int64_t at = 0;

	for (size_t i = 0; i < k->buf.n; i++) {
		const KBuf *b = &k->buf.p[i];
		int64_t bytes = 0, align = KIR_SHARED_ALIGN;

		if (b->space != KSPACE_SHARED || b->alias)
			continue;
		for (size_t j = 0; j < k->buf.n; j++) {
			const KBuf *x = &k->buf.p[j];

			if (x->space != KSPACE_SHARED || (j != i && x->alias != i + 1))
				continue;
			bytes = MAX(bytes, x->count * dtype_info[x->dt].bytes);
			align = MAX(align, x->align);
		}
		at = (at + align - 1) & -align;
		for (size_t j = 0; offset && j < k->buf.n; j++)
			if (j == i || (k->buf.p[j].space == KSPACE_SHARED && k->buf.p[j].alias == i + 1))
				offset[j] = at;
		at += bytes;
	}
	return at;
}

size_t
kernel_params(const Kernel *k)
{
	size_t n = 0;

	while (n < k->buf.n && kspace_param(k->buf.p[n].space))
		n++;
	return n;
}

int64_t
ktmap_box(const KTmap *m)
{
	int64_t n = 1;

	if (m->im2col)
		return (int64_t)m->pixels * m->channels;
	for (int i = 0; i < m->rank; i++)
		n *= m->box[i];
	return n;
}

/* the rules of cuTensorMapEncodeTiled and …Im2col */
const char *
ktmap_wrong(const KTmap *m, DType dt)
{
	int64_t size = dtype_info[dt].bytes, inner, last = 0;

	if (m->rank < (m->im2col ? 3 : 1) || m->rank > 5)
		return "a map has 1 to 5 dimensions, of im2col 3 to 5";
	inner = (m->im2col ? m->channels : m->box[0]) * size;
	if (m->swizzle != 0 && m->swizzle != 32 && m->swizzle != 64 && m->swizzle != 128)
		return "a swizzle is of 0, 32, 64 or 128 bytes";
	if (inner % 16 || inner < 1 || (m->swizzle ? inner > m->swizzle : inner > 256 * size))
		return "the innermost side of a box is a multiple of 16 bytes, and no more than the swizzle";
	if (m->stride[0] != 1)
		return "the innermost stride is 1";
	for (int i = 0; i < m->rank; i++) {
		if (m->dim[i] < 1 || m->dim[i] > (int64_t)1 << 32 || m->step[i] < 1 || m->step[i] > 8)
			return "a dimension is 1 to 2^32, and a step 1 to 8";
		if (m->step[i] > 1 && (!m->im2col || i == 0 || i + 1 == m->rank))
			return "only the sides of an im2col picture have steps";
		if (i && (m->stride[i] < 1 || m->stride[i] * size % 16 || m->stride[i] >= (int64_t)1 << 36))
			return "a stride is a multiple of 16 bytes";
		if (!m->im2col && (m->box[i] < 1 || m->box[i] > 256))
			return "a side of a box is 1 to 256";
		if (__builtin_mul_overflow(m->dim[i] - 1, m->stride[i], &inner) || __builtin_add_overflow(last, inner, &last) ||
		    last > KIR_MAX_COUNT)
			return "the map reaches too far";
		if (m->im2col && i > 0 && i + 1 < m->rank && (m->lower[i - 1] < -128 || m->lower[i - 1] > 127 ||
		    m->upper[i - 1] < -128 || m->upper[i - 1] > 127))
			return "a corner is -128 to 127";
	}
	if (m->im2col && (m->channels < 1 || m->channels > 256 || m->pixels < 1 || m->pixels > 1024))
		return "im2col brings 1 to 256 channels of 1 to 1024 pixels";
	return NULL;
}

int64_t
kernel_shared_bytes(const Kernel *k)
{
	return kernel_shared_layout(k, NULL);
}

/* new number of r, given on first sight */
static Reg
renumber(Reg *to, Reg r, Reg *last)
{
	if (r && !to[r])
		to[r] = ++*last;
	return to[r];
}

static void
renumber_block(KBlock *b, Reg *to, Reg *last)
{
	for (size_t i = 0; i < b->inst.n; i++) {
		KInst *x = &b->inst.p[i];

		for (int j = 0; j < 3; j++)
			x->a[j] = renumber(to, x->a[j], last);
		x->dst = renumber(to, x->dst, last);
		if (x->body)
			renumber_block(x->body, to, last);
		if (x->other)
			renumber_block(x->other, to, last);
	}
}

void
kernel_renumber(Kernel *k)
{
	Reg *to = NEWN(k->a, Reg, k->reg.n), last = 0;

	renumber_block(&k->body, to, &last);
	KType *reg = NEWN(k->a, KType, (size_t)last + 1);
	for (size_t r = 1; r < k->reg.n; r++)
		if (to[r])
			reg[to[r]] = k->reg.p[r];
	k->reg.p = reg;
	k->reg.n = k->reg.cap = (size_t)last + 1;
}
