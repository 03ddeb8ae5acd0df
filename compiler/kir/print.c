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
	case K_shuffle:
		text_printf(t, " %%%" PRIu32 " xor %" PRId64, i->a[0], i->imm);
		break;
	case K_cp_wait:
		text_printf(t, " %" PRId64, i->imm);
		break;
	default:
		args_text(t, i, 0, i->op < K_COUNT ? kop_info[i->op].args : 0);
		break;
	}
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
	for (; n < k->buf.n && k->buf.p[n].space == KSPACE_GLOBAL; n++) {
		const KBuf *b = &k->buf.p[n];

		text_printf(t, "%s%s: global %s", n ? ", " : "", b->name, b->out ? "out " : "");
		buf_text(t, k, b);
	}
	text_printf(t, ") grid(%d, %d, %d)", k->grid[0], k->grid[1], k->grid[2]);
	if (k->block[0] != 1 || k->block[1] != 1 || k->block[2] != 1)
		text_printf(t, " threads(%d, %d, %d)", k->block[0], k->block[1], k->block[2]);
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
