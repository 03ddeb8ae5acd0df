/* print.c -- a kernel as text, the form that kernel_parse() reads.
 *
 * Every register carries its type at each place that writes it; whether that is the
 * first one cannot be seen, and need not be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "kir/inner.h"

void
ktype_text(Text *t, KType type)
{
	text_put(t, type.s < KS_COUNT ? kscalar_name[type.s] : "?");
	if (type.lanes != 1)
		text_printf(t, "x%d", type.lanes);
}

static const char *
buf_name(const Kernel *k, uint32_t buf)
{
	return buf && buf <= k->buf.n ? k->buf.p[buf - 1].name : "?";
}

static void
args_text(Text *t, const KInst *i, int from, int to)
{
	for (int j = from; j < to; j++)
		text_printf(t, "%s%%%" PRIu32, j == from ? " " : ", ", i->a[j]);
}

/* "x[%1]" */
static void
place_text(Text *t, const Kernel *k, uint32_t buf, Reg index)
{
	text_printf(t, " %s[%%%" PRIu32 "]", buf_name(k, buf), index);
}

static void
const_text(Text *t, KType type, const KInst *i)
{
	char buf[40];

	if (ks_real((KScalar)type.s))
		text_printf(t, " %s", fmt_real(buf, i->fimm, type.s != KS_F64));
	else
		text_printf(t, " %" PRId64, i->imm);
}

void
kinst_text(Text *t, const Kernel *k, const KInst *i)
{
	KType type = i->dst < k->reg.n ? k->reg.p[i->dst] : (KType){ 0 };
	const char *name = i->op < K_COUNT ? kop_info[i->op].name : "?";

	if (i->op == K_for) {
		text_printf(t, "for %%%" PRIu32 ":", i->dst);
		ktype_text(t, type);
		text_printf(t, " = %%%" PRIu32 " .. %%%" PRIu32 " step %" PRId64, i->a[0], i->a[1], i->imm);
		return;
	}
	if (i->dst) {
		text_printf(t, "%%%" PRIu32 ":", i->dst);
		ktype_text(t, type);
		text_put(t, " = ");
	}
	text_put(t, name);
	switch (i->op) {
	case K_const:
		const_text(t, type, i);
		break;
	case K_axis:
		text_printf(t, " %s", i->imm >= 0 && i->imm < KAXIS_COUNT ? kaxis_name[i->imm] : "?");
		break;
	case K_load: case K_load_if: case K_store: case K_store_if: case K_gather: case K_atomic_add:
	case K_atomic_fetch_add:
		place_text(t, k, i->buf, i->a[0]);
		for (int j = 1; j < kop_info[i->op].args; j++)
			text_printf(t, ", %%%" PRIu32, i->a[j]);
		if (i->imm)
			text_printf(t, " part %" PRId64, i->imm);
		break;
	case K_cp_async:
		place_text(t, k, i->buf, i->a[0]);
		text_put(t, ",");
		place_text(t, k, i->buf2, i->a[1]);
		text_printf(t, ", %%%" PRIu32 " count %" PRId64, i->a[2], i->imm);
		break;
	case K_ldmatrix:
		place_text(t, k, i->buf, i->a[0]);
		text_put(t, i->imm ? " transposed" : "");
		break;
	case K_lane: case K_part:
		text_printf(t, " %%%" PRIu32 ", %" PRId64, i->a[0], i->imm);
		break;
	case K_bytes:
		text_printf(t, " %%%" PRIu32 ", %%%" PRIu32 ", %" PRId64, i->a[0], i->a[1], i->imm);
		break;
	case K_shuffle:
		text_printf(t, " %%%" PRIu32 " xor %" PRId64, i->a[0], i->imm);
		break;
	case K_tma_load:
		place_text(t, k, i->buf, i->a[0]);
		text_printf(t, ", %s at %%%" PRIu32 ",", buf_name(k, i->buf2), i->a[1]);
		place_text(t, k, i->buf3, i->a[2]);
		if (i->imm)
			text_printf(t, " ranks %" PRId64, i->imm);
		break;
	case K_mbar_init: case K_mbar_arrive:
		place_text(t, k, i->buf, i->a[0]);
		text_printf(t, " %s %" PRId64, i->op == K_mbar_init ? "count" : "bytes", i->imm);
		break;
	case K_peer_load: case K_peer_arrive:
		place_text(t, k, i->buf, i->a[0]);
		text_printf(t, " of %%%" PRIu32, i->a[1]);
		break;
	case K_mbar_wait:
		place_text(t, k, i->buf, i->a[0]);
		text_printf(t, " parity %%%" PRIu32, i->a[1]);
		break;
	case K_wgmma:
		place_text(t, k, i->buf, i->a[0]);
		text_put(t, ",");
		place_text(t, k, i->buf2, i->a[1]);
		text_printf(t, ", %%%" PRIu32 " steps %d swizzle %d", i->a[2], (int)(i->imm & 255), (int)(i->imm >> 8));
		break;
	case K_wgmma_a:
		text_printf(t, " %%%" PRIu32 ",", i->a[0]);
		place_text(t, k, i->buf, i->a[1]);
		text_printf(t, ", %%%" PRIu32 " steps %d swizzle %d%s%s", i->a[2], (int)(i->imm & 255), (int)(i->imm >> 8 & 255),
		            i->imm >> 16 & 1 ? " across" : "", i->imm >> 17 & 1 ? " fresh" : "");
		break;
	case K_cp_wait: case K_wgmma_wait: case K_regs_give: case K_regs_take:
		text_printf(t, " %" PRId64, i->imm);
		break;
	default:
		args_text(t, i, 0, i->op < K_COUNT ? kop_info[i->op].args : 0);
		break;
	}
}

static void
list_text(Text *t, const char *word, int from, int n, const int64_t *wide, const int *narrow)
{
	text_printf(t, " %s(", word);
	for (int i = from; i < n; i++)
		text_printf(t, "%s%" PRId64, i > from ? ", " : "", wide ? wide[i] : narrow[i]);
	text_put(t, ")");
}

/* "f16[64, 80, 80] strides(64, 5120) box(64, 8, 8) swizzle 128" */
static void
map_text(Text *t, const KBuf *b)
{
	const KTmap *m = b->map;

	text_printf(t, "%s %s[", m->im2col ? "im2col" : "tile", b->dt < DT_COUNT ? dtype_info[b->dt].name : "?");
	for (int i = 0; i < m->rank && i < 5; i++)
		text_printf(t, "%s%" PRId64, i ? ", " : "", m->dim[i]);
	text_put(t, "]");
	list_text(t, "strides", 1, m->rank, m->stride, NULL);
	if (m->im2col) {
		list_text(t, "steps", 1, m->rank - 1, NULL, m->step);
		list_text(t, "lower", 0, m->rank - 2, NULL, m->lower);
		list_text(t, "upper", 0, m->rank - 2, NULL, m->upper);
		text_printf(t, " channels %d pixels %d", m->channels, m->pixels);
	} else {
		list_text(t, "box", 0, m->rank, NULL, m->box);
	}
	text_printf(t, " swizzle %d", m->swizzle);
}

static void
buf_text(Text *t, const Kernel *k, const KBuf *b)
{
	text_put(t, b->dt < DT_COUNT ? dtype_info[b->dt].name : "?");
	if (b->count < 0)
		text_put(t, "[?]");
	else
		text_printf(t, "[%" PRId64 "]", b->count);
	if (b->inplace)
		text_put(t, " inplace");
	if (b->align)
		text_printf(t, " align %d", b->align);
	if (b->alias)
		text_printf(t, " alias %s", buf_name(k, b->alias));
}

static void
block_text(Text *t, const Kernel *k, const KBlock *b, int depth)
{
	for (size_t i = 0; i < b->inst.n; i++) {
		const KInst *x = &b->inst.p[i];

		text_printf(t, "%*s", 2 * depth, "");
		kinst_text(t, k, x);
		if (x->body) {
			text_put(t, " {\n");
			block_text(t, k, x->body, depth + 1);
			text_printf(t, "%*s}", 2 * depth, "");
		}
		if (x->other) {
			text_put(t, " else {\n");
			block_text(t, k, x->other, depth + 1);
			text_printf(t, "%*s}", 2 * depth, "");
		}
		text_put(t, "\n");
	}
}

static void
kernel_text(Text *t, const Kernel *k)
{
	size_t n = 0;

	text_printf(t, "kernel %s(", k->name);
	for (; n < k->buf.n && kspace_param(k->buf.p[n].space); n++) {
		const KBuf *b = &k->buf.p[n];

		text_printf(t, "%s%s: ", n ? ", " : "", b->name);
		if (b->space == KSPACE_TMAP && b->map) {
			map_text(t, b);
			continue;
		}
		text_printf(t, "global %s", b->out ? "out " : "");
		buf_text(t, k, b);
	}
	text_printf(t, ") grid(%d, %d, %d)", k->grid[0], k->grid[1], k->grid[2]);
	if (kernel_cluster(k) != 1)
		text_printf(t, " cluster(%d, %d, %d)", k->cluster[0], k->cluster[1], k->cluster[2]);
	if (k->block[0] != 1 || k->block[1] != 1 || k->block[2] != 1)
		text_printf(t, " threads(%d, %d, %d)", k->block[0], k->block[1], k->block[2]);
	if (k->resident)
		text_printf(t, " resident %d", k->resident);
	text_put(t, " {\n");
	for (; n < k->buf.n; n++) {
		const KBuf *b = &k->buf.p[n];

		text_printf(t, "  %s %s: ", b->space == KSPACE_SHARED ? "shared" : "local", b->name);
		buf_text(t, k, b);
		text_put(t, "\n");
	}
	block_text(t, k, &k->body, 1);
	text_put(t, "}\n");
}

void
kernel_print(FILE *f, const Kernel *k)
{
	Arena *a = arena_new();
	Text t = { .a = a };

	kernel_text(&t, k);
	fwrite(t.p, 1, t.n, f);
	arena_free(a);
}
