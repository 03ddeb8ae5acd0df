/* pt.c -- PyTorch checkpoints: a zip of one pickle and many storages.
 *
 *     best/data.pkl     the object graph; a tensor is a call of _rebuild_tensor_v2
 *     best/data/0 …     raw little-endian storages, which tensors look into
 *
 *     {'ema': None, 'model': DetectionModel ──_modules──▶ 'model' ──▶ '0' ──▶ 'conv'
 *                            names, nc, args                        _parameters: 'weight'
 *
 * The walk along _modules joins the keys with dots and so finds the names; at each
 * module parameters come first, then buffers, then children, which is the order of
 * a state dictionary.  Modules may be shared (one SiLU serves all), may even form
 * cycles: depth and number are bounded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

enum {
	DEEPEST = 32,
	MOST_MODULES = 1 << 14,
	MOST_MEMBERS = 1 << 12,
	MOST_CLASSES = 1 << 16,
};

typedef struct Reader {
	Weights *w;
	Arena *tmp;             /* the pickle's values, gone afterwards */
	Zip *zip;
	const char *top;        /* "best/" */
	int modules;
	size_t budget;          /* bytes that gathering strided tensors may still make */
	const char *err;
} Reader;

static bool
fail(Reader *r, const char *err)
{
	if (!r->err)
		r->err = err;
	return false;
}

/* ---- tensors --------------------------------------------------------------------- */

static DType
storage_dtype(const Py *class)
{
	static const struct { const char *name; DType dt; } row[] = {
		{ "torch.HalfStorage", DT_F16 }, { "torch.BFloat16Storage", DT_BF16 },
		{ "torch.FloatStorage", DT_F32 }, { "torch.DoubleStorage", DT_F64 },
		{ "torch.LongStorage", DT_I64 }, { "torch.IntStorage", DT_I32 },
		{ "torch.ByteStorage", DT_U8 }, { "torch.BoolStorage", DT_BOOL },
	};

	for (size_t i = 0; i < COUNT(row); i++)
		if (py_is(class, PY_CLASS, row[i].name))
			return row[i].dt;
	return DT_NONE;
}

static bool
as_int(const Py *v, int64_t *i)
{
	if (!v || v->kind != PY_INT)
		return false;
	*i = v->i;
	return true;
}

/* a tuple of numbers that are not negative */
static bool
as_ints(const Py *v, int64_t out[WEIGHT_RANK], int *n)
{
	if (!v || v->kind != PY_TUPLE || v->item.n > WEIGHT_RANK)
		return false;
	*n = (int)v->item.n;
	for (int i = 0; i < *n; i++)
		if (!as_int(v->item.p[i], &out[i]) || out[i] < 0)
			return false;
	return true;
}

/* The call that made a tensor, without the Parameter around it; NULL if v is none. */
static const Py *
tensor_call(const Py *v)
{
	for (int i = 0; i < 2 && v && v->kind == PY_CALL; i++) {
		if (py_is(v->fn, PY_CLASS, "torch._utils._rebuild_tensor_v2") ||
		    py_is(v->fn, PY_CLASS, "torch._utils._rebuild_tensor"))
			return v;
		if (!py_is(v->fn, PY_CLASS, "torch._utils._rebuild_parameter") &&
		    !py_is(v->fn, PY_CLASS, "torch._utils._rebuild_parameter_with_state"))
			return NULL;
		v = py_item(v->arg, 0);
	}
	return NULL;
}

/* index of the last element that the strides reach; false if it is past any storage */
static bool
last_element(int rank, const int64_t *dim, const int64_t *stride, int64_t offset, int64_t *last)
{
	*last = offset;
	for (int i = 0; i < rank; i++) {
		int64_t far;
		if (__builtin_mul_overflow(dim[i] - 1, stride[i], &far) ||
		    __builtin_add_overflow(*last, far, last))
			return false;
	}
	return true;
}

static bool
contiguous(int rank, const int64_t *dim, const int64_t *stride)
{
	int64_t step = 1;

	for (int i = rank; i-- > 0; step *= dim[i])
		if (dim[i] != 1 && stride[i] != step)
			return false;
	return true;
}

/* the elements in C order: an odometer over the dims */
static void
gather(char *to, const char *from, size_t size, size_t count, int rank,
       const int64_t *dim, const int64_t *stride)
{
	int64_t at[WEIGHT_RANK] = {0}, k = 0;

	for (size_t n = 0; n < count; n++) {
		memcpy(to + n * size, from + (size_t)k * size, size);
		for (int i = rank; i-- > 0;) {
			k += stride[i];
			if (++at[i] < dim[i])
				break;
			k -= stride[i] * dim[i];
			at[i] = 0;
		}
	}
}

static bool
add_tensor(Reader *r, const char *name, const Py *v)
{
	Arena *a = r->w->a;
	const Py *arg = tensor_call(v)->arg, *id = py_item(arg, 0);
	int64_t offset, numel, last, dim[WEIGHT_RANK], stride[WEIGHT_RANK];
	int rank, nstride;
	size_t count, bytes, len;
	const char *shown = printable(a, name);

	id = id && id->kind == PY_PERSID ? id->fn : NULL;
	const Py *class = py_item(id, 1), *key = py_item(id, 2);
	if (!py_is(py_item(id, 0), PY_STR, "storage") || !key || key->kind != PY_STR ||
	    !as_int(py_item(id, 4), &numel) || numel < 0 ||
	    !as_int(py_item(arg, 1), &offset) || offset < 0 ||
	    !as_ints(py_item(arg, 2), dim, &rank) ||
	    !as_ints(py_item(arg, 3), stride, &nstride) || nstride != rank)
		return fail(r, arena_printf(a, "%s is not described as a tensor should be", shown));
	DType dt = storage_dtype(class);
	if (dt == DT_NONE)
		return fail(r, arena_printf(a, "%s has elements of an unknown type (%s)", shown,
		                            class && class->s ? printable(a, class->s) : "?"));
	if (!shape_count(rank, dim, &count))
		return fail(r, arena_printf(a, "the shape of %s is impossible", shown));
	size_t size = (size_t)dtype_info[dt].bytes;
	const char *record = arena_printf(r->tmp, "%sdata/%s", r->top, key->s);
	const char *data = zipview_data(r->zip, record, &len, &r->err);
	if (!data)
		return false;
	if (__builtin_mul_overflow((size_t)numel, size, &bytes) || bytes > len)
		return fail(r, arena_printf(a, "%s wants %lld elements of the record %s, which has %zu bytes",
		                            shown, (long long)numel, printable(a, record), len));
	if (count > 0 && (!last_element(rank, dim, stride, offset, &last) || last >= numel))
		return fail(r, arena_printf(a, "%s reaches past the end of its storage", shown));
	if (count == 0) {
		data = "";
	} else if (contiguous(rank, dim, stride)) {
		data = aligned_data(a, dt, data + (size_t)offset * size, count * size);
	} else {
		/* a stride of 0 can ask for any amount of memory */
		if (count > r->budget / size)
			return fail(r, arena_printf(a, "%s repeats its elements without end", shown));
		r->budget -= count * size;
		char *to = arena_alloc(a, count * size);
		gather(to, data + (size_t)offset * size, size, count, rank, dim, stride);
		data = to;
	}
	return weights_add(r->w, name, dt, rank, dim, data, &r->err);
}

/* ---- the walk ----------------------------------------------------------------------- */

static const char *
join(Reader *r, const char *prefix, const Py *key)
{
	if (strlen(key->s) != key->n) {
		fail(r, "a tensor's name has a zero byte");
		return "";
	}
	return *prefix ? arena_printf(r->tmp, "%s.%s", prefix, key->s) : key->s;
}

/* Is key in the set of buffers that are not part of the state? */
static bool
transient(const Py *set, const Py *key)
{
	if (set && set->kind == PY_CALL)        /* set([…]) */
		set = py_item(set->arg, 0);
	for (size_t i = 0; set && i < MIN(set->item.n, (size_t)MOST_MEMBERS); i++)
		if (py_is(py_item(set, i), PY_STR, key->s))
			return true;
	return false;
}

static bool
add_tensors(Reader *r, const Py *dict, const char *prefix, const Py *skip)
{
	for (size_t i = 0; dict && dict->kind == PY_DICT && i + 1 < dict->item.n; i += 2) {
		const Py *key = dict->item.p[i], *v = dict->item.p[i + 1];
		if (key->kind != PY_STR || !tensor_call(v) || transient(skip, key))
			continue;
		const char *name = join(r, prefix, key);
		if (r->err || !add_tensor(r, name, v))
			return false;
	}
	return !r->err;
}

/* A module's members under key, NULL if it has none.  Modules can share them, so
 * their number must be bounded for the walk to end in time. */
static const Py *
members(Reader *r, const Py *module, const char *key)
{
	const Py *v = py_get(module, key);

	if (v && v->item.n > 2 * MOST_MEMBERS)
		fail(r, "a module has too many members");
	return r->err ? NULL : v;
}

static bool
walk(Reader *r, const Py *module, const char *prefix, int depth)
{
	if (depth > DEEPEST || ++r->modules > MOST_MODULES)
		return fail(r, "its modules are nested without end");
	const Py *skip = members(r, module, "_non_persistent_buffers_set");
	if (!add_tensors(r, members(r, module, "_parameters"), prefix, NULL) ||
	    !add_tensors(r, members(r, module, "_buffers"), prefix, skip))
		return false;
	const Py *child = members(r, module, "_modules");
	for (size_t i = 0; child && child->kind == PY_DICT && i + 1 < child->item.n; i += 2) {
		const Py *key = child->item.p[i], *v = child->item.p[i + 1];
		if (key->kind != PY_STR || v->kind != PY_OBJECT)
			continue;
		const char *name = join(r, prefix, key);
		/* the loss of an unfinished training is no part of the network */
		if (depth == 0 && strcmp(name, "criterion") == 0)
			continue;
		if (r->err || !walk(r, v, name, depth + 1))
			return false;
	}
	return !r->err;
}

/* ---- what else the checkpoint says --------------------------------------------------- */

static void
note_scalar(Reader *r, const char *as, const Py *v)
{
	Arena *a = r->w->a;
	char buf[40];

	if (!v)
		return;
	if (v->kind == PY_STR && v->n > 0 && v->n < 4096 && strlen(v->s) == v->n)
		map_set(r->w->meta, as, arena_str(a, v->s));
	else if (v->kind == PY_INT)
		map_set(r->w->meta, as, arena_printf(a, "%lld", (long long)v->i));
	else if (v->kind == PY_REAL)
		map_set(r->w->meta, as, arena_str(a, fmt_real(buf, v->r, false)));
}

/* {0: 'person', …} or ['person', …] */
static void
note_names(Reader *r, const Py *v)
{
	Arena *a = r->w->a;

	if (!v || (v->kind != PY_DICT && v->kind != PY_LIST && v->kind != PY_TUPLE))
		return;
	bool dict = v->kind == PY_DICT;
	size_t n = dict ? v->item.n / 2 : v->item.n;
	if (n == 0 || n > MOST_CLASSES)
		return;
	const char **names = NEWN(a, const char *, n);
	for (size_t i = 0; i < n; i++) {
		const Py *name = v->item.p[dict ? 2 * i + 1 : i];
		int64_t k = (int64_t)i;
		if ((dict && !as_int(v->item.p[2 * i], &k)) || k < 0 || k >= (int64_t)n ||
		    name->kind != PY_STR || names[k])
			return;
		names[k] = arena_str(a, name->s);
	}
	r->w->names = names;
	r->w->nc = (int)n;
}

static void
note_imgsz(Reader *r, const Py *v)
{
	int64_t i, most = 0;

	if (as_int(v, &i))
		most = i;
	for (size_t k = 0; k < 2; k++)
		if (as_int(py_item(v, k), &i))
			most = MAX(most, i);
	if (most > 0 && most <= 1 << 16)
		r->w->imgsz = (int)most;
}

static void
note_all(Reader *r, const Py *top, const Py *model)
{
	static const char *const plain[] = { "date", "version", "license", "docs", "epoch", "best_fitness" };
	static const char *const run[] = { "task", "data", "epochs", "batch", "optimizer" };
	const Py *args = py_get(top, "train_args");

	for (size_t i = 0; i < COUNT(plain); i++)
		note_scalar(r, plain[i], py_get(top, plain[i]));
	for (size_t i = 0; i < COUNT(run); i++)
		note_scalar(r, run[i], py_get(args, run[i]));
	note_names(r, py_get(model, "names"));
	note_imgsz(r, py_get(py_get(model, "args"), "imgsz"));
	note_imgsz(r, py_get(args, "imgsz"));
}

/* ---- the file --------------------------------------------------------------------------- */

static const char *
find_pickle(Reader *r)
{
	for (size_t i = 0; i < zipview_count(r->zip); i++) {
		const char *s = zipview_name(r->zip, i), *slash = strrchr(s, '/');
		if (strcmp(slash ? slash + 1 : s, "data.pkl") == 0) {
			r->top = arena_strn(r->tmp, s, slash ? (size_t)(slash + 1 - s) : 0);
			return s;
		}
	}
	fail(r, "it is a zip archive, but no PyTorch checkpoint: it has no data.pkl");
	return NULL;
}

static bool
holds_tensors(const Py *v)
{
	for (size_t i = 0; v && v->kind == PY_DICT && i + 1 < v->item.n; i += 2)
		if (tensor_call(v->item.p[i + 1]))
			return true;
	return false;
}

/* The averaged weights if there are any, else the model; or a state dictionary. */
static const Py *
find_model(const Py *top)
{
	static const char *const key[] = { "ema", "model", "state_dict", "model_state_dict" };

	if (top->kind == PY_OBJECT || holds_tensors(top))
		return top;
	for (size_t i = 0; i < COUNT(key); i++) {
		const Py *v = py_get(top, key[i]);
		if (v && (v->kind == PY_OBJECT || holds_tensors(v)))
			return v;
	}
	return NULL;
}

static bool
read_all(Reader *r)
{
	Arena *a = r->w->a;
	size_t len;
	const char *s, *why;

	r->zip = zipview_open(a, r->w->map, r->w->map_len, &r->err);
	if (!r->zip)
		return false;
	const char *pickle = find_pickle(r);
	if (!pickle)
		return false;
	if (zipview_has(r->zip, arena_printf(r->tmp, "%sconstants.pkl", r->top)))
		return fail(r, "it is a TorchScript program, not a checkpoint: take the .pt that it was exported from");
	s = arena_printf(r->tmp, "%sbyteorder", r->top);
	if (zipview_has(r->zip, s)) {
		const char *order = zipview_data(r->zip, s, &len, &r->err);
		if (!order)
			return false;
		if (len != 6 || memcmp(order, "little", 6) != 0)
			return fail(r, "it was written on a big-endian machine");
	}
	s = zipview_data(r->zip, pickle, &len, &r->err);
	if (!s)
		return false;
	const Py *top = pickle_read(r->tmp, s, len, &why);
	if (!top)
		return fail(r, arena_printf(a, "its pickle (%s) is damaged or hostile: %s",
		                            printable(a, pickle), why));
	const Py *model = find_model(top);
	if (!model)
		return fail(r, "it holds no model: neither 'ema' nor 'model' is set, and it is no state dictionary");
	if (!(model->kind == PY_OBJECT ? walk(r, model, "", 0) : add_tensors(r, model, "", NULL)))
		return false;
	if (r->w->tensor.n == 0)
		return fail(r, "its model has no tensors");
	note_all(r, top, model);
	return true;
}

bool
pt_read(Weights *w, const char **err)
{
	Reader r = { .w = w, .tmp = arena_new(), .budget = (size_t)1 << 30 };
	bool ok = read_all(&r);

	zipview_done(r.zip);
	*err = r.err ? arena_str(w->a, r.err) : NULL;
	arena_free(r.tmp);
	return ok;
}
