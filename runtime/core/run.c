/* run.c -- binds the caller's tensors to an entry and walks its launches.
 *
 * Inputs are read where the caller keeps them; outputs are copied out of the arena at
 * the end.  Nothing is allocated.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "runtime/core/engine.h"

/* a picture's side: index arithmetic in kernels is 64 bits wide, tables of columns 32 */
static const int64_t SIDE_MAX = 1 << 24;

static const char *const dtype_text[] = { "?", "u8", "bool", "i32", "i64", "f16", "bf16", "f32", "f64" };
static const int dtype_size[] = { 0, 1, 1, 4, 8, 2, 2, 4, 8 };

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
	for (uint32_t l = n->launch; l < n->launch + n->nlaunch; l++)
		for (uint32_t k = e->launches[l].arg; k < e->launches[l].arg + e->launches[l].narg; k++) {
			const y12e_arg *a = &e->args[k];

			if (a->kind == Y12E_INPUT)
				e->ptr[k] = (uint8_t *)(uintptr_t)e->bound[n->tensor + a->tensor] + a->offset;
			else if (a->kind == Y12E_DIMS)
				e->ptr[k] = e->dims[n->tensor + a->tensor];
		}
	return Y12_OK;
}

static void
copy_out(y12_engine *e, const y12e_entry *n)
{
	for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++) {
		const y12e_tensor *t = &e->tensors[j];
		size_t bytes = (size_t)dtype_size[t->dtype];

		if (!(t->flags & Y12E_OUTPUT) || !e->bound[j])
			continue;
		for (uint32_t d = 0; d < t->rank; d++)
			bytes *= (size_t)t->dim[d];
		memcpy((void *)(uintptr_t)e->bound[j], e->arena + t->offset, bytes);
	}
}

static y12_status
run(y12_engine *e, const char *entry, const y12_tensor *io, size_t nio, y12_profile_fn *fn, void *user)
{
	const y12e_entry *n = find_entry(e, entry);
	double start = y12_clock(), then, now;
	uint32_t phase = Y12E_PRE;
	y12_status s;

	if (!n && !e->image)    /* it did not open: the message still says why */
		return Y12_NOENTRY;
	e->message[0] = 0;
	if (!n)
		return y12_fail(e, Y12_NOENTRY, "the engine has no entry '%s'", entry);
	if ((s = bind(e, n, io, nio)))
		return s;
	memset(e->seconds, 0, sizeof e->seconds);
	then = start;
	for (uint32_t l = n->launch; l < n->launch + n->nlaunch; l++) {
		const y12e_launch *x = &e->launches[l];

		if (x->phase != phase) {
			now = y12_clock();
			e->seconds[phase] += now - then;
			then = now;
			phase = x->phase;
		}
		if (fn) {
			double t0 = y12_clock();

			host_launch(e, x);
			fn(user, e->strings + e->kernels[x->kernel].name, e->strings + x->layer, y12_clock() - t0);
		} else {
			host_launch(e, x);
		}
	}
	copy_out(e, n);
	now = y12_clock();
	e->seconds[phase] += now - then;
	e->all = now - start;
	return Y12_OK;
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
