/* dtype.c -- element types, and the two 16-bit reals in software.
 *
 *     f32   s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm
 *     bf16  s eeeeeeee mmmmmmm                    the upper half of an f32
 *     f16   s eeeee    mmmmmmmmmm                 bias 15, subnormals to 2^-24
 *
 * Every narrowing rounds once, to nearest, ties to even.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"

#include <math.h>

const DTypeInfo dtype_info[DT_COUNT] = {
	[DT_NONE] = { "none", 0, false },
#define DTYPE(name, NAME, bytes, is_real) [DT_##NAME] = { #name, bytes, is_real },
#include "base/dtype.def"
#undef DTYPE
};

DType
dtype_named(const char *name)
{
	for (int t = DT_NONE + 1; t < DT_COUNT; t++)
		if (strcmp(dtype_info[t].name, name) == 0)
			return (DType)t;
	return DT_NONE;
}

static uint32_t
bits_of(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return u;
}

static float
float_of(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof(x));
	return x;
}

float
f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;

	if (e == 31)
		return float_of(sign | 0x7f800000 | m << 13);
	if (e == 0)                             /* m * 2^-24, exact in f32 */
		return float_of(sign | bits_of((float)m * 0x1p-24f));
	return float_of(sign | (e + 112) << 23 | m << 13);
}

uint16_t
f16_from_f32(float x)
{
	uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;

	if (a > 0x7f800000)                     /* NaN: keep what fits, make it quiet */
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
	if (a >= 0x477ff000)                    /* 65520 and up round to infinity */
		return (uint16_t)(sign | 0x7c00);
	if (a < 0x38800000)                     /* subnormal: the addition rounds to 2^-24 */
		return (uint16_t)(sign | (bits_of(float_of(a) + 0.5f) - bits_of(0.5f)));
	/* Half an ulp less one, plus the last kept bit: ties go to even, and a carry
	 * out of the significand is the right next exponent. */
	return (uint16_t)(sign | (a + 0xfff + (a >> 13 & 1) - (112u << 23)) >> 13);
}

float
bf16_to_f32(uint16_t h)
{
	return float_of((uint32_t)h << 16);
}

uint16_t
bf16_from_f32(float x)
{
	uint32_t u = bits_of(x);

	if ((u & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* x cut to f32 towards zero, the last bit set if anything was lost ("round to
 * odd").  Rounding that again to 16 bits equals rounding x once. */
static float
sticky(double x)
{
	float f = (float)x;

	if ((double)f == x || isnan(x))
		return f;
	uint32_t u = bits_of(f);
	if (fabs((double)f) > fabs(x))
		u--;
	return float_of(u | 1);
}

double
dtype_get(DType t, const void *p, size_t i)
{
	switch (t) {
	case DT_U8:   return ((const uint8_t *)p)[i];
	case DT_BOOL: return ((const uint8_t *)p)[i] != 0;
	case DT_I32:  return ((const int32_t *)p)[i];
	case DT_I64:  return (double)((const int64_t *)p)[i];
	case DT_F16:  return (double)f16_to_f32(((const uint16_t *)p)[i]);
	case DT_BF16: return (double)bf16_to_f32(((const uint16_t *)p)[i]);
	case DT_F32:  return (double)((const float *)p)[i];
	case DT_F64:  return ((const double *)p)[i];
	case DT_NONE: case DT_COUNT: break;
	}
	return NAN;
}

/* x rounded and held within [lo, hi]; no number becomes 0 */
static double
clamp(double x, double lo, double hi)
{
	return isnan(x) ? 0 : fmin(fmax(nearbyint(x), lo), hi);
}

void
dtype_set(DType t, void *p, size_t i, double x)
{
	switch (t) {
	case DT_U8:   ((uint8_t *)p)[i] = (uint8_t)clamp(x, 0, UINT8_MAX); break;
	case DT_BOOL: ((uint8_t *)p)[i] = x != 0; break;
	case DT_I32:  ((int32_t *)p)[i] = (int32_t)clamp(x, INT32_MIN, INT32_MAX); break;
	case DT_I64:
		/* INT64_MAX is no double: 2^63 and up saturate by hand */
		((int64_t *)p)[i] = x >= 0x1p63 ? INT64_MAX : (int64_t)clamp(x, -0x1p63, 0x1p63);
		break;
	case DT_F16:  ((uint16_t *)p)[i] = f16_from_f32(sticky(x)); break;
	case DT_BF16: ((uint16_t *)p)[i] = bf16_from_f32(sticky(x)); break;
	case DT_F32:  ((float *)p)[i] = (float)x; break;
	case DT_F64:  ((double *)p)[i] = x; break;
	case DT_NONE: case DT_COUNT: break;
	}
}
