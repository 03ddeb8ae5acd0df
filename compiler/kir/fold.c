/* fold.c -- what an op becomes when some of its arguments are known constants.
 *
 *     add 2, 3        CONST 5         mul %1, 1       ARG %1
 *     mul %1, 0       CONST 0         fma %1, 1, %2   OP add %1, %2
 *
 * Only what is exact: a real x + 0 stays, because -0 + 0 is 0, and a real x * 0 stays,
 * because x may be infinite.  Integer division by zero and shifts past the end stay
 * too, for the interpreter to find.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kir/inner.h"

#include <math.h>

#define TO_CONST(...) ((KFold){ .kind = KFOLD_CONST, .c = { __VA_ARGS__ } })
#define TO_ARG(n) ((KFold){ .kind = KFOLD_ARG, .arg = (n) })
#define TO_OP(o, p, q) ((KFold){ .kind = KFOLD_OP, .op = K_##o, .x = { p, q } })

static KFold
fold_const(const KInst *i, KType type, KType from, const KConst c[3])
{
	uint64_t cell[3] = { 0 }, out = 0;
	KScalar to = (KScalar)type.s, s = (KScalar)from.s;
	KLaneFn *fn;

	if (i->op == K_cast) {
		fn = klane_cast(s, to);
	} else if (i->op == K_select) {
		return TO_ARG(c[0].i ? 1 : 2);
	} else {
		fn = klane_fn(i->op, s);
	}
	if (!fn)
		return (KFold){ 0 };
	for (int j = 0; j < kop_info[i->op].args; j++)
		kconst_to_cell(s, c[j], &cell[j]);
	if (!klane_defined(i->op, s, &cell[1], 1))
		return (KFold){ 0 };
	fn(&out, &cell[0], &cell[1], &cell[2], 1);
	return (KFold){ .kind = KFOLD_CONST, .c = kconst_from_cell(to, &out) };
}

KFold
kfold(const KInst *i, KType type, KType from, const bool known[3], const KConst c[3])
{
	KScalar s = (KScalar)type.s;
	bool integer = ks_int(s), all = kop_info[i->op].args > 0;

	if (kop_info[i->op].cls != KCLASS_PURE)
		return (KFold){ 0 };
	for (int j = 0; j < kop_info[i->op].args; j++)
		all &= known[j];
	/* the constant n in argument j of an integer op, or of a real one */
#define INT_IS(j, n) (known[j] && integer && c[j].i == (n))
#define REAL_IS(j, n) (known[j] && ks_real(s) && c[j].f == (n))
	switch (i->op) {
	case K_join:
		/* equal bits: -0 is not 0 */
		return all && memcmp(&c[0], &c[1], sizeof(c[0])) == 0 ? (KFold){ .kind = KFOLD_CONST, .c = c[0] } : (KFold){ 0 };
	case K_part:
		if (kt_same(type, from))
			return TO_ARG(0);
		/* fall through */
	case K_splat: case K_lane: case K_reduce_max:
		return all ? (KFold){ .kind = KFOLD_CONST, .c = c[0] } : (KFold){ 0 };
	case K_cast:
		if (kt_same(type, from))
			return TO_ARG(0);
		break;
	case K_add:
		if (INT_IS(0, 0) || (REAL_IS(0, 0) && signbit(c[0].f)))
			return TO_ARG(1);
		if (INT_IS(1, 0) || (REAL_IS(1, 0) && signbit(c[1].f)))
			return TO_ARG(0);
		break;
	case K_sub:
		if (INT_IS(1, 0) || (REAL_IS(1, 0) && !signbit(c[1].f)))
			return TO_ARG(0);
		break;
	case K_mul:
		if (INT_IS(0, 0) || INT_IS(1, 0))
			return TO_CONST(0);
		if (INT_IS(0, 1) || REAL_IS(0, 1))
			return TO_ARG(1);
		if (INT_IS(1, 1) || REAL_IS(1, 1))
			return TO_ARG(0);
		break;
	case K_div:
		if (INT_IS(1, 1) || REAL_IS(1, 1))
			return TO_ARG(0);
		break;
	case K_rem:
		if (INT_IS(1, 1))
			return TO_CONST(0);
		break;
	case K_fma:
		if (INT_IS(0, 0) || INT_IS(1, 0))
			return TO_ARG(2);
		if (all)
			break;
		if (INT_IS(0, 1) || REAL_IS(0, 1))
			return TO_OP(add, 1, 2);
		if (INT_IS(1, 1) || REAL_IS(1, 1))
			return TO_OP(add, 0, 2);
		if (INT_IS(2, 0))
			return TO_OP(mul, 0, 1);
		break;
	case K_shl: case K_shr:
		if (INT_IS(1, 0))
			return TO_ARG(0);
		break;
	case K_and: case K_or: case K_xor: {
		int64_t ones = s == KS_I1 ? 1 : s == KS_U8 ? 255 : -1;
		int64_t same = i->op == K_and ? ones : 0;       /* x op same is x … */
		int64_t sink = i->op == K_and ? 0 : ones;       /* … and x op sink is sink */

		for (int j = 0; j < 2; j++) {
			if (known[j] && c[j].i == same)
				return TO_ARG(1 - j);
			if (known[j] && c[j].i == sink && i->op != K_xor)
				return TO_CONST(sink);
		}
		break;
	}
	case K_select:
		if (known[0])
			return TO_ARG(c[0].i ? 1 : 2);
		if (i->a[1] == i->a[2])
			return TO_ARG(1);
		return (KFold){ 0 };
	default:
		break;
	}
	/* the same register twice; a NaN is not itself, so reals only where that can't show */
	if (kop_info[i->op].args == 2 && i->a[0] == i->a[1] && !all) {
		if (i->op == K_min || i->op == K_max || i->op == K_and || i->op == K_or)
			return TO_ARG(0);
		if ((integer && i->op == K_sub) || i->op == K_xor)
			return TO_CONST(0);
	}
	return all ? fold_const(i, type, from, c) : (KFold){ 0 };
}
