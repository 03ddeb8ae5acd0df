/* run.c -- binds the caller's tensors to an entry; the device does the rest.
 *
 * Nothing is allocated.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "runtime/core/engine.h"

/* a picture's side: index arithmetic in kernels is 64 bits wide, tables of columns 32 */
static const int64_t SIDE_MAX = 1 << 24;

static const char *const dtype_text[] = { "?", "u8", "bool", "i32", "i64", "f16", "bf16", "f32", "f64" };

static const y12e_entry *
find_entry(const y12_engine *e, const char *name)
{
	for (uint64_t i = 0; i < e->h.entries.count; i++)
		if (strcmp(e->strings + e->entries[i].name, name) == 0)
			return &e->entries[i];
	return NULL;
}

int
y12_entry_io(const y12_engine *e, const char *entry, size_t i, y12_io *out)
{
	const y12e_entry *n = find_entry(e, entry);
	const y12e_tensor *t;

	if (!n || i >= n->ntensor)
		return 0;
	t = &e->tensors[n->tensor + i];
	*out = (y12_io){
		.name = e->strings + t->name, .dtype = (y12_dtype)t->dtype, .rank = (int)t->rank,
		.output = (t->flags & Y12E_OUTPUT) != 0, .optional = (t->flags & Y12E_OPTIONAL) != 0,
	};
	memcpy(out->dim, t->dim, sizeof out->dim);
	return 1;
}

static void
shape_text(char *s, size_t n, int dtype, int rank, const int64_t *dim)
{
	size_t at = (size_t)snprintf(s, n, "%s[", dtype_text[dtype >= 1 && dtype <= 8 ? dtype : 0]);

	for (int i = 0; i < rank && at < n; i++)
		at += (size_t)snprintf(s + at, n - at, dim[i] < 0 ? "%s?" : "%s%" PRId64, i ? "," : "", dim[i]);
	if (at < n)
		snprintf(s + at, n - at, "]");
}

static y12_status
bind(y12_engine *e, const y12e_entry *n, const y12_tensor *io, size_t nio)
{
	for (uint32_t i = 0; i < n->ntensor; i++)
		e->bound[n->tensor + i] = NULL;
	for (size_t i = 0; i < nio; i++) {
		const y12e_tensor *t = NULL;
		uint32_t at = 0;
		char want[128], have[128];
		bool same;

		for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++)
			if (io[i].name && strcmp(e->strings + e->tensors[j].name, io[i].name) == 0) {
				t = &e->tensors[j];
				at = j;
			}
		if (!t)
			return y12_fail(e, Y12_SHAPE, "entry %s has no tensor '%s'", e->strings + n->name,
			                io[i].name ? io[i].name : "(null)");
		same = (uint32_t)io[i].dtype == t->dtype && (uint32_t)io[i].rank == t->rank;
		for (uint32_t d = 0; same && d < t->rank; d++)
			same = t->dim[d] < 0 ? io[i].dim[d] >= 1 && io[i].dim[d] <= SIDE_MAX
			                     : io[i].dim[d] == t->dim[d];
		if (!same) {
			shape_text(want, sizeof want, (int)t->dtype, (int)t->rank, t->dim);
			shape_text(have, sizeof have, (int)io[i].dtype,
			           io[i].rank < 0 || io[i].rank > Y12_MAX_RANK ? 0 : io[i].rank, io[i].dim);
			return y12_fail(e, Y12_SHAPE, "tensor %s is %s, but entry %s takes %s", io[i].name, have,
			                e->strings + n->name, want);
		}
		if (!io[i].data)
			return y12_fail(e, Y12_SHAPE, "tensor %s has no data", io[i].name);
		e->bound[at] = io[i].data;
		memcpy(e->dims[at], io[i].dim, sizeof io[i].dim);
	}
	for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++) {
		const y12e_tensor *t = &e->tensors[j];

		if (e->bound[j] || t->flags & Y12E_OUTPUT)
			continue;
		if (!(t->flags & Y12E_OPTIONAL))
			return y12_fail(e, Y12_SHAPE, "entry %s: tensor %s is missing", e->strings + n->name,
			                e->strings + t->name);
		e->bound[j] = e->consts + t->offset;
		memcpy(e->dims[j], t->dim, sizeof t->dim);
	}
	return Y12_OK;
}

bool
y12_tensor_fixed(const y12e_tensor *t)
{
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->dim[i] < 0)
			return false;
	return true;
}

size_t
y12_tensor_bytes(const y12e_tensor *t, const int64_t *dim)
{
	size_t bytes = y12e_dtype_bytes(t->dtype);

	for (uint32_t i = 0; i < t->rank; i++)
		bytes *= (size_t)dim[i];
	return bytes;
}

/* Finds the entry and brings its inputs to where kernels read them. */
static y12_status
prepare(y12_engine *e, const char *entry, const y12_tensor *io, size_t nio, const y12e_entry **n)
{
	y12_status s;

	if (!e->image)          /* it did not open: the message still says why */
		return Y12_NOENTRY;
	if (e->lost)            /* likewise */
		return Y12_DEVICE;
	e->message[0] = 0;
	memset(e->seconds, 0, sizeof e->seconds);
	*n = find_entry(e, entry);
	if (!*n)
		return y12_fail(e, Y12_NOENTRY, "the engine has no entry '%s'", entry);
	s = bind(e, *n, io, nio);
	return s ? s : e->device->upload(e, *n);
}

static y12_status
finish(y12_engine *e, y12_status s, double seconds)
{
	e->lost = e->lost || s == Y12_DEVICE;
	e->all = s ? 0 : seconds;
	return s;
}

static y12_status
run(y12_engine *e, const char *entry, const y12_tensor *io, size_t nio, y12_profile_fn *fn, void *user)
{
	const y12e_entry *n;
	double start = y12_clock();
	y12_status s = prepare(e, entry, io, nio, &n);

	if (!s && !(s = e->device->launch(e, n, fn, user)))
		s = e->device->fetch(e, n);
	return finish(e, s, y12_clock() - start);
}

y12_status
y12_bench(y12_engine *e, const char *entry, const y12_tensor *io, size_t nio, size_t repeats, double *seconds)
{
	const y12e_entry *n;
	y12_status s = prepare(e, entry, io, nio, &n);

	if (!s && repeats)
		s = e->device->bench(e, n, repeats, seconds);
	return finish(e, s, repeats && !s ? seconds[repeats - 1] : 0);
}

y12_status
y12_run(y12_engine *e, const char *entry, const y12_tensor *io, size_t nio)
{
	return run(e, entry, io, nio, NULL, NULL);
}

y12_status
y12_profile(y12_engine *e, const char *entry, const y12_tensor *io, size_t nio, y12_profile_fn *fn, void *user)
{
	return run(e, entry, io, nio, fn, user);
}

double
y12_seconds(const y12_engine *e, const char *phase)
{
	return strcmp(phase, "pre") == 0 ? e->seconds[Y12E_PRE]
	     : strcmp(phase, "net") == 0 ? e->seconds[Y12E_NET]
	     : strcmp(phase, "post") == 0 ? e->seconds[Y12E_POST] : e->all;
}
