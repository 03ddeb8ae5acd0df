/* math.c -- elementary functions as polynomials on vectors, and 16-bit reals.
 *
 * A blob calls nothing, so exp and its family are written out where they are used, each as
 * one straight line over all lanes: reduce the argument, evaluate a polynomial, put the
 * exponent back, select special values.
 *
 *     exp      n = round(x / ln 2), r = x - n ln 2 (ln 2 in two parts), p(r) * 2^n
 *     log      x = 2^k (1 + f), s = f / (2 + f), a series in s^2
 *     tanh     near 0 an odd polynomial, else 1 - 2 / (e^2|x| + 1)
 *     sin cos  n = round(2 x / pi), r = x - n pi / 2 in three parts, in f64 for both types:
 *              they are rare, and f32 has no room for n up to 2^16 beside the parts
 *     rem      subtracts multiples of y times powers of two until the rest is below y
 *
 * Errors, measured by tests/backend/test_math against libm: see the table there.  Halves
 * of the argument range where results are subnormal keep their value but for sigmoid,
 * which is 0 below -89 (f32) and -710 (f64).
 *
 * The 16-bit reals follow base/dtype.c step by step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/emit.h"

#include <float.h>
#include <math.h>

/* ---- short names ------------------------------------------------------------------ */

#define REAL(x) emit_real(e, t, (x))
#define INT(x) emit_int(e, bits_type(t), (x))
#define ADD(x, y) LLVMBuildFAdd(e->b, (x), (y), "")
#define SUB(x, y) LLVMBuildFSub(e->b, (x), (y), "")
#define MUL(x, y) LLVMBuildFMul(e->b, (x), (y), "")
#define DIV(x, y) LLVMBuildFDiv(e->b, (x), (y), "")
#define FMA(x, y, z) emit_fma(e, t, (x), (y), (z))
#define NEG(x) LLVMBuildFNeg(e->b, (x), "")
#define IADD(x, y) LLVMBuildAdd(e->b, (x), (y), "")
#define ISUB(x, y) LLVMBuildSub(e->b, (x), (y), "")
#define IAND(x, y) LLVMBuildAnd(e->b, (x), (y), "")
#define IOR(x, y) LLVMBuildOr(e->b, (x), (y), "")
#define SHL(x, y) LLVMBuildShl(e->b, (x), (y), "")
#define SHR(x, y) LLVMBuildLShr(e->b, (x), (y), "")
#define SAR(x, y) LLVMBuildAShr(e->b, (x), (y), "")
#define SELECT(c, x, y) LLVMBuildSelect(e->b, (c), (x), (y), "")
#define FCMP(p, x, y) LLVMBuildFCmp(e->b, LLVMReal##p, (x), (y), "")
#define ICMP(p, x, y) LLVMBuildICmp(e->b, LLVMInt##p, (x), (y), "")

/* the integer as wide as the real */
static KType
bits_type(KType t)
{
	return kt_with(t, t.s == KS_F64 ? KS_I64 : KS_I32);
}

static LVal
to_bits(Emit *e, KType t, LVal x)
{
	return LLVMBuildBitCast(e->b, x, emit_type(e, bits_type(t)), "");
}

static LVal
of_bits(Emit *e, KType t, LVal x)
{
	return LLVMBuildBitCast(e->b, x, emit_type(e, t), "");
}

static LVal
unary(Emit *e, KType t, const char *name, LVal x)
{
	LLVMTypeRef ty = emit_type(e, t);

	return emit_call(e, name, &ty, 1, &x, 1);
}

/* c[0] x^(n-1) + … + c[n-1] */
static LVal
poly(Emit *e, KType t, LVal x, const double *c, size_t n)
{
	LVal r = REAL(c[0]);

	for (size_t i = 1; i < n; i++)
		r = FMA(r, x, REAL(c[i]));
	return r;
}
#define POLY(x, c) poly(e, t, (x), (c), COUNT(c))

static LVal
copysign_of(Emit *e, KType t, LVal mag, LVal sign)
{
	LLVMTypeRef ty = emit_type(e, t);
	LVal arg[2] = { mag, sign };

	return emit_call(e, "llvm.copysign", &ty, 1, arg, 2);
}

/* ---- exp -------------------------------------------------------------------------- */

typedef struct Format {
	int mant, bias;         /* bits of the significand's fraction; of the exponent */
	double magic;           /* 1.5 * 2^mant: adding it rounds to an integer, in the low bits */
	double exp_lo, exp_hi;  /* e^lo rounds to 0, e^hi to infinity */
	double ln2_hi, ln2_lo;  /* n * ln2_hi is exact */
} Format;

static const Format f32_format = { 23, 127, 0x1.8p23, -104, 89, 0.693359375, -2.12194440e-4 };
static const Format f64_format = { 52, 1023, 0x1.8p52, -746, 710, 6.93145751953125e-1, 1.42860682030941723212e-6 };

static const Format *
format_of(KType t)
{
	return t.s == KS_F64 ? &f64_format : &f32_format;
}

/* x * 2^n, n the integer that `bits` holds, |n| < 2 * bias: in two steps, since neither
 * 2^n nor x * 2^(n/2) alone leaves the range when the result does not */
static LVal
scale(Emit *e, KType t, LVal x, LVal bits)
{
	const Format *f = format_of(t);
	LVal half = SAR(bits, INT(1)), rest = ISUB(bits, half);

	x = MUL(x, of_bits(e, t, SHL(IADD(half, INT(f->bias)), INT(f->mant))));
	return MUL(x, of_bits(e, t, SHL(IADD(rest, INT(f->bias)), INT(f->mant))));
}

/* x clamped, NaN kept */
static LVal
hold(Emit *e, KType t, LVal x, double lo, double hi)
{
	x = SELECT(FCMP(OLT, REAL(hi), x), REAL(hi), x);
	return SELECT(FCMP(OGT, REAL(lo), x), REAL(lo), x);
}

static LVal
expand_exp(Emit *e, KType t, LVal x, bool of_two)
{
	/* minimax on |r| <= ln 2 / 2 of (e^r - 1 - r) / r^2; for f64 the series, to 2^-57 */
	static const double p32[] = {
		1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
	};
	static const double p64[] = {
		1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320,
		1. / 5040, 1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2,
	};
	const Format *f = format_of(t);
	LVal magic = REAL(f->magic), big, n, r, p;

	x = hold(e, t, x, of_two ? f->exp_lo * M_LOG2E : f->exp_lo, of_two ? f->exp_hi * M_LOG2E : f->exp_hi);
	big = of_two ? ADD(x, magic) : FMA(x, REAL(M_LOG2E), magic);
	n = SUB(big, magic);
	if (of_two) {
		r = MUL(SUB(x, n), REAL(M_LN2));
	} else {
		r = FMA(n, REAL(-f->ln2_hi), x);
		r = FMA(n, REAL(-f->ln2_lo), r);
	}
	p = t.s == KS_F64 ? POLY(r, p64) : POLY(r, p32);
	p = ADD(FMA(p, MUL(r, r), r), REAL(1));
	if (e->hooks->scalef && t.s == KS_F32 && t.lanes == 16) {
		LLVMTypeRef i16 = LLVMInt16TypeInContext(e->cx), i32 = LLVMInt32TypeInContext(e->cx);
		LVal arg[5] = { p, n, p, LLVMConstAllOnes(i16), LLVMConstInt(i32, 4, false) };

		return emit_call(e, "llvm.x86.avx512.mask.scalef.ps.512", NULL, 0, arg, 5);
	}
	return scale(e, t, p, ISUB(to_bits(e, t, big), to_bits(e, t, magic)));
}

static LVal
expand_sigmoid(Emit *e, KType t, LVal x)
{
	return DIV(REAL(1), ADD(REAL(1), expand_exp(e, t, NEG(x), false)));
}

/* ---- tanh --------------------------------------------------------------------------- */

static LVal
expand_tanh(Emit *e, KType t, LVal x)
{
	static const double p32[] = {
		-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
	};
	static const double p64[] = {
		-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3,
	};
	static const double q64[] = {
		1, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3,
	};
	LVal mag = unary(e, t, "llvm.fabs", x), z = MUL(x, x), small, big;

	small = t.s == KS_F64 ? DIV(POLY(z, p64), POLY(z, q64)) : POLY(z, p32);
	small = FMA(MUL(small, z), x, x);
	big = SUB(REAL(1), DIV(REAL(2), ADD(expand_exp(e, t, MUL(mag, REAL(2)), false), REAL(1))));
	return SELECT(FCMP(OLT, mag, REAL(0.625)), small, copysign_of(e, t, big, x));
}

/* ---- log ---------------------------------------------------------------------------- */

static LVal
expand_log(Emit *e, KType t, LVal x)
{
	/* atanh's series in s^2, minimax where |f| is within sqrt(2) */
	static const double p32[] = { 0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693 };
	static const double p64[] = {
		1.479819860511658591e-1, 1.531383769920937332e-1, 1.818357216161805012e-1, 2.222219843214978396e-1,
		2.857142874366239149e-1, 3.999999999940941908e-1, 6.666666666666735130e-1,
	};
	const Format *f = format_of(t);
	double least = t.s == KS_F64 ? DBL_MIN : (double)FLT_MIN, up = t.s == KS_F64 ? 0x1p54 : 0x1p25;
	double ln2_hi = t.s == KS_F64 ? 6.93147180369123816490e-1 : 6.9313812256e-01;
	double ln2_lo = t.s == KS_F64 ? 1.90821492927058770002e-10 : 9.0580006145e-06;
	LVal tiny = FCMP(OLT, x, REAL(least)), bits, k, m, s, z, half, r, zero = REAL(0);

	/* 1 + f between sqrt(1/2) and sqrt(2): sqrt(1/2)'s bits are subtracted, so that what carries into the
	 * exponent is k, and put back under the fraction */
	m = SELECT(tiny, MUL(x, REAL(up)), x);
	LVal root = to_bits(e, t, REAL(M_SQRT1_2)), frac = INT(((int64_t)1 << f->mant) - 1);

	bits = ISUB(to_bits(e, t, m), root);
	k = SAR(bits, INT(f->mant));
	m = of_bits(e, t, IADD(IAND(bits, frac), root));
	k = LLVMBuildSIToFP(e->b, k, emit_type(e, t), "");
	k = SUB(k, SELECT(tiny, REAL(log2(up)), zero));

	m = SUB(m, REAL(1));
	s = DIV(m, ADD(m, REAL(2)));
	z = MUL(s, s);
	r = MUL(z, t.s == KS_F64 ? POLY(z, p64) : POLY(z, p32));
	half = MUL(MUL(m, REAL(0.5)), m);
	r = FMA(s, ADD(half, r), MUL(k, REAL(ln2_lo)));
	r = FMA(k, REAL(ln2_hi), SUB(m, SUB(half, r)));

	r = SELECT(FCMP(OEQ, x, zero), REAL(-INFINITY), r);
	r = SELECT(FCMP(OEQ, x, REAL(INFINITY)), x, r);
	return SELECT(FCMP(UGE, x, zero), SELECT(FCMP(UNO, x, x), x, r), REAL(NAN));
}

/* ---- sin, cos -------------------------------------------------------------------------- */

static LVal
expand_sin(Emit *e, KType t, LVal x, bool cosine)
{
	static const double sp[] = {
		1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
		-1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01,
	};
	static const double cp[] = {
		-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
		2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02,
	};
	/* pi / 2 in parts of 33 bits: n < 2^17 times a part is exact */
	static const double part[] = {
		1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624879595063154e-21,
	};
	LVal n, r, z, s, c, odd, flip, half;

	if (t.s == KS_F32) {
		KType d = kt_with(t, KS_F64);

		x = expand_sin(e, d, LLVMBuildFPExt(e->b, x, emit_type(e, d), ""), cosine);
		return LLVMBuildFPTrunc(e->b, x, emit_type(e, t), "");
	}
	n = unary(e, t, "llvm.roundeven", MUL(x, REAL(M_2_PI)));
	r = x;
	for (size_t i = 0; i < COUNT(part); i++)
		r = FMA(n, REAL(-part[i]), r);
	z = MUL(r, r);
	s = FMA(MUL(POLY(z, sp), z), r, r);
	c = ADD(SUB(REAL(1), MUL(REAL(0.5), z)), MUL(MUL(z, z), POLY(z, cp)));
	/* quarter turns: odd ones swap sine and cosine; n mod 4 = 2, 3 (cosine: 1, 2) change the sign */
	half = MUL(n, REAL(0.5));
	odd = FCMP(UNE, half, unary(e, t, "llvm.floor", half));
	half = unary(e, t, "llvm.floor", cosine ? MUL(ADD(n, REAL(1)), REAL(0.5)) : half);
	half = MUL(half, REAL(0.5));
	flip = FCMP(UNE, half, unary(e, t, "llvm.floor", half));
	r = cosine ? SELECT(odd, s, c) : SELECT(odd, c, s);
	return SELECT(flip, NEG(r), r);
}

/* ---- rem --------------------------------------------------------------------------------- */

/* fmod.  A step brings d near the rest by a power of two and subtracts the nearest multiple, so that
 * everything is exact: q and each half of 2^k d have 26 bits or 27, so their products have 53, and a
 * rest of at most d / 2 is a small multiple of d's last bit.  It takes 20 bits off the rest; lanes
 * that are done come out as they went in. */
static LVal
expand_rem(Emit *e, KType t, LVal x, LVal y)
{
	LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b), again, done;
	LVal zero = REAL(0), d, r, bad, easy, phi, gap, near, high, q, rest, any;

	if (t.s == KS_F32) {
		KType w = kt_with(t, KS_F64);

		x = expand_rem(e, w, LLVMBuildFPExt(e->b, x, emit_type(e, w), ""),
		               LLVMBuildFPExt(e->b, y, emit_type(e, w), ""));
		return LLVMBuildFPTrunc(e->b, x, emit_type(e, t), "");
	}
	/* x infinite, y zero, or either no number: no number; y infinite: x.  They run as 0 rem 1. */
	d = unary(e, t, "llvm.fabs", y);
	r = unary(e, t, "llvm.fabs", x);
	bad = IOR(FCMP(UEQ, r, REAL(INFINITY)), FCMP(UEQ, d, zero));
	easy = IOR(bad, FCMP(OEQ, d, REAL(INFINITY)));
	r = SELECT(easy, zero, r);
	d = SELECT(easy, REAL(1), d);
	again = LLVMAppendBasicBlockInContext(e->cx, e->fn, "rem");
	done = LLVMAppendBasicBlockInContext(e->cx, e->fn, "remdone");
	LLVMBuildBr(e->b, again);
	LLVMPositionBuilderAtEnd(e->b, again);
	phi = LLVMBuildPhi(e->b, emit_type(e, t), "");
	LLVMAddIncoming(phi, &r, &from, 1);
	gap = ISUB(ISUB(SHR(to_bits(e, t, phi), INT(52)), SHR(to_bits(e, t, d), INT(52))), INT(20));
	near = scale(e, t, d, SELECT(ICMP(SGT, gap, INT(0)), gap, INT(0)));
	high = of_bits(e, t, IAND(to_bits(e, t, near), INT(-(INT64_C(1) << 27))));
	/* a subnormal d has a greater quotient than its exponent says */
	q = of_bits(e, t, IAND(to_bits(e, t, DIV(phi, near)), INT(-(INT64_C(1) << 27))));
	q = unary(e, t, "llvm.roundeven", q);
	rest = SUB(SUB(phi, MUL(q, high)), MUL(q, SUB(near, high)));
	rest = SELECT(FCMP(OLT, rest, zero), ADD(rest, near), rest);
	LLVMAddIncoming(phi, &rest, &again, 1);
	any = FCMP(OGE, rest, d);
	if (t.lanes > 1) {
		LLVMTypeRef ty = LLVMTypeOf(any);

		any = emit_call(e, "llvm.vector.reduce.or", &ty, 1, &any, 1);
	}
	LLVMBuildCondBr(e->b, any, again, done);
	LLVMPositionBuilderAtEnd(e->b, done);
	return SELECT(bad, REAL(NAN), SELECT(easy, x, copysign_of(e, t, rest, x)));
}

LVal
math_expand(Emit *e, KOp op, KType t, LVal x, LVal y)
{
	switch (op) {
	case K_exp: return expand_exp(e, t, x, false);
	case K_exp2: return expand_exp(e, t, x, true);
	case K_log: return expand_log(e, t, x);
	case K_sin: return expand_sin(e, t, x, false);
	case K_cos: return expand_sin(e, t, x, true);
	case K_tanh: return expand_tanh(e, t, x);
	case K_sigmoid: return expand_sigmoid(e, t, x);
	case K_rem: return expand_rem(e, t, x, y);
	default: break;
	}
	emit_error(e, "no expansion for %s", kop_info[op].name);
	return x;
}

/* ---- 16-bit reals ---------------------------------------------------------------------------- */

LVal
math_widen(Emit *e, KType from, LVal x)
{
	KType t = kt_with(from, KS_F32), i = bits_type(t);
	LLVMTypeRef ity = emit_type(e, i);
	LVal u, sign, mag, high, low, tiny;

	if (from.s == KS_BF16)
		return of_bits(e, t, SHL(LLVMBuildZExt(e->b, x, ity, ""), INT(16)));
	if (e->hooks->f16c) {
		LLVMTypeRef half = LLVMHalfTypeInContext(e->cx);

		x = LLVMBuildBitCast(e->b, x, t.lanes > 1 ? LLVMVectorType(half, t.lanes) : half, "");
		return LLVMBuildFPExt(e->b, x, emit_type(e, t), "");
	}
	u = LLVMBuildZExt(e->b, x, ity, "");
	sign = SHL(IAND(u, INT(0x8000)), INT(16));
	mag = IAND(u, INT(0x7fff));
	high = SHL(mag, INT(13));
	high = SELECT(ICMP(UGE, mag, INT(0x7c00)), IOR(high, INT(0x7f800000)), IADD(high, INT(112 << 23)));
	low = MUL(LLVMBuildSIToFP(e->b, mag, emit_type(e, t), ""), REAL(0x1p-24));
	tiny = ICMP(ULT, mag, INT(0x400));
	return of_bits(e, t, IOR(sign, SELECT(tiny, to_bits(e, t, low), high)));
}

LVal
math_narrow(Emit *e, KType to, LVal x)
{
	KType t = kt_with(to, KS_F32);
	LVal u, a, sign, r, low;

	if (to.s == KS_F16 && e->hooks->f16c) {
		LLVMTypeRef half = LLVMHalfTypeInContext(e->cx);

		x = LLVMBuildFPTrunc(e->b, x, t.lanes > 1 ? LLVMVectorType(half, t.lanes) : half, "");
		return LLVMBuildBitCast(e->b, x, emit_type(e, to), "");
	}
	u = to_bits(e, t, x);
	a = IAND(u, INT(0x7fffffff));
	if (to.s == KS_BF16) {
		/* half of what is dropped, less one, plus the last kept bit: ties go to even */
		r = SHR(IADD(u, IADD(INT(0x7fff), IAND(SHR(u, INT(16)), INT(1)))), INT(16));
		r = SELECT(ICMP(UGT, a, INT(0x7f800000)), IOR(SHR(u, INT(16)), INT(0x40)), r);
		return LLVMBuildTrunc(e->b, r, emit_type(e, to), "");
	}
	sign = IAND(SHR(u, INT(16)), INT(0x8000));
	r = SHR(ISUB(IADD(a, IADD(INT(0xfff), IAND(SHR(a, INT(13)), INT(1)))), INT((int64_t)112 << 23)), INT(13));
	low = ISUB(to_bits(e, t, ADD(of_bits(e, t, a), REAL(0.5))), to_bits(e, t, REAL(0.5)));
	r = SELECT(ICMP(ULT, a, INT(0x38800000)), low, r);
	r = SELECT(ICMP(UGE, a, INT(0x477ff000)), INT(0x7c00), r);
	r = SELECT(ICMP(UGT, a, INT(0x7f800000)), IOR(INT(0x7e00), IAND(SHR(a, INT(13)), INT(0x3ff))), r);
	return LLVMBuildTrunc(e->b, IOR(r, sign), emit_type(e, to), "");
}

LVal
math_sticky(Emit *e, KType from, LVal x)
{
	KType t = kt_with(from, KS_F32);
	LVal f = LLVMBuildFPTrunc(e->b, x, emit_type(e, t), ""), back, u, up;

	back = LLVMBuildFPExt(e->b, f, emit_type(e, from), "");
	u = to_bits(e, t, f);
	up = FCMP(OGT, unary(e, from, "llvm.fabs", back), unary(e, from, "llvm.fabs", x));
	u = IOR(SELECT(up, ISUB(u, INT(1)), u), INT(1));
	/* exact, or no number: as it is */
	return SELECT(FCMP(ONE, back, x), of_bits(e, t, u), f);
}
