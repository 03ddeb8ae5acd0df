/* tensors.c -- values for the entries of engines: types, noise, the runtime's form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "driver/tensors.h"

static const DType dtypes[] = {
	[Y12_U8] = DT_U8, [Y12_BOOL] = DT_BOOL, [Y12_I32] = DT_I32, [Y12_I64] = DT_I64,
	[Y12_F16] = DT_F16, [Y12_BF16] = DT_BF16, [Y12_F32] = DT_F32, [Y12_F64] = DT_F64,
};

Type
io_type(const y12_io *io)
{
	return type_of(dtypes[io->dtype], io->rank, io->dim);
}

y12_tensor
io_tensor(const char *name, const Tensor *t)
{
	y12_tensor x = { .name = name, .rank = t->type.rank, .data = t->data };

	for (int k = Y12_U8; k <= Y12_F64; k++)
		if (dtypes[k] == t->type.dt)
			x.dtype = (y12_dtype)k;
	memcpy(x.dim, t->type.dim, sizeof t->type.dim);
	return x;
}

Tensor
noise_tensor(Arena *a, const Type *type, const char *seed, const int64_t open[2])
{
	Tensor t = { .type = *type };
	uint64_t key[2] = { hash64(seed, strlen(seed)), 0 };

	for (int i = 0; i < t.type.rank; i++)
		if (t.type.dim[i] < 0)
			t.type.dim[i] = open[i % 2];
	t.data = arena_alloc(a, (size_t)type_bytes(&t.type) + 1);
	for (int64_t n = type_count(&t.type); (int64_t)key[1] < n; key[1]++) {
		uint64_t h = hash64(key, sizeof key) >> 11;

		dtype_set(t.type.dt, t.data, (size_t)key[1], dtype_info[t.type.dt].real ? (double)h * 0x1p-53 : (double)(h % 256));
	}
	return t;
}
