/* pickle.c -- a pickle read as data.
 *
 *     GLOBAL  torch._utils._rebuild_tensor_v2       class "torch._utils._re…"
 *     BINPERSID ('storage', HalfStorage, '7', …)    persid
 *     … TUPLE  REDUCE                               call fn=class arg=(persid, …)
 *
 * A pickle is a program for a small stack machine whose GLOBAL and REDUCE import
 * and call whatever the file names; that is how opening a .pt can run a
 * stranger's code.  Here they only write down what was asked for: a class stays a
 * name and a call stays a call.  Nothing recurses, every opcode costs its bytes
 * in the file, and memory stays within a fixed multiple of the file's length.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

#include <stdlib.h>

enum {
	MOST_BYTES = 64 << 20,
	MOST_VALUES = 4 << 20,
	DEEPEST = 1000,                 /* open marks */
	LONGEST_SEARCH = 4096,          /* keys of a dict that is searched */
};

typedef struct Machine {
	Arena *a;
	const uint8_t *p, *end;
	VEC(const Py *) stack;
	VEC(size_t) mark;               /* stack.n when it was set */
	VEC(const Py *) memo;
	size_t values, len;
	const char *err;
} Machine;

static const Py none = { .kind = PY_NONE };
static const Py opaque = { .kind = PY_OPAQUE };

static bool
fail(Machine *m, const char *err)
{
	if (!m->err)
		m->err = err;
	return false;
}

static Py *
make(Machine *m, PyKind kind)
{
	if (++m->values > MOST_VALUES)
		fail(m, "it has too many values");
	Py *v = NEW(m->a, Py);
	v->kind = kind;
	return v;
}

static bool
push(Machine *m, const Py *v)
{
	vec_push(m->a, &m->stack, v);
	return true;
}

static const Py *
pop(Machine *m)
{
	size_t floor = m->mark.n ? m->mark.p[m->mark.n - 1] : 0;

	if (m->stack.n <= floor) {
		fail(m, "it takes a value where there is none");
		return &none;
	}
	return m->stack.p[--m->stack.n];
}

static const Py *
top(Machine *m)
{
	const Py *v = pop(m);

	if (!m->err)
		m->stack.n++;
	return v;
}

/* the n bytes that follow, or NULL */
static const uint8_t *
take(Machine *m, uint64_t n)
{
	if (n > (uint64_t)(m->end - m->p)) {
		fail(m, "it ends in the middle of a value");
		return NULL;
	}
	m->p += n;
	return m->p - n;
}

static uint64_t
number(Machine *m, int bytes)
{
	const uint8_t *q = take(m, (uint64_t)bytes);
	uint64_t x = 0;

	for (int i = bytes; q && i-- > 0;)
		x = x << 8 | q[i];
	return x;
}

static bool
push_int(Machine *m, int64_t i)
{
	Py *v = make(m, PY_INT);

	v->i = i;
	return push(m, v);
}

static bool
push_text(Machine *m, PyKind kind, uint64_t n)
{
	const uint8_t *q = take(m, n);

	if (!q)
		return false;
	if (kind == PY_STR && !utf8_valid((const char *)q, n))
		return fail(m, "it has text that is not UTF-8");
	Py *v = make(m, kind);
	v->s = arena_strn(m->a, (const char *)q, n);
	v->n = n;
	return push(m, v);
}

/* two's complement, little endian; what does not fit 64 bits is of no use here */
static bool
push_long(Machine *m, uint64_t n)
{
	const uint8_t *q = take(m, n);
	uint64_t x = 0;

	if (!q)
		return false;
	if (n > 8)
		return push(m, &opaque);
	for (uint64_t i = n; i-- > 0;)
		x = x << 8 | q[i];
	if (n > 0 && n < 8 && q[n - 1] & 0x80)
		x |= UINT64_MAX << (8 * n);
	return push_int(m, (int64_t)x);
}

/* big endian, alone in this format */
static bool
push_real(Machine *m)
{
	uint64_t u = __builtin_bswap64(number(m, 8));
	Py *v = make(m, PY_REAL);

	memcpy(&v->r, &u, sizeof(u));
	return push(m, v);
}

/* a line of text, as the oldest opcodes have it */
static const char *
line(Machine *m)
{
	const uint8_t *nl = memchr(m->p, '\n', (size_t)(m->end - m->p));

	if (!nl) {
		fail(m, "it ends in the middle of a name");
		return "";
	}
	const char *s = (const char *)m->p;
	size_t n = (size_t)(nl - m->p);
	m->p = nl + 1;
	if (!utf8_valid(s, n))
		fail(m, "it has a name that is not UTF-8");
	return arena_strn(m->a, s, n);
}

static bool
push_class(Machine *m, const char *module, const char *name)
{
	Py *v = make(m, PY_CLASS);

	v->s = arena_printf(m->a, "%s.%s", module, name);
	v->n = strlen(v->s);
	return push(m, v);
}

/* everything above the last mark, taken off the stack */
static const Py **
items(Machine *m, size_t *n)
{
	*n = 0;
	if (m->mark.n == 0) {
		fail(m, "it closes what was not opened");
		return NULL;
	}
	size_t at = m->mark.p[--m->mark.n];
	*n = m->stack.n - at;
	m->stack.n = at;
	return m->stack.p + at;
}

static void
append(Machine *m, Py *to, const Py *const *v, size_t n)
{
	vec_reserve(m->a, &to->item, to->item.n + n);
	for (size_t i = 0; i < n; i++)
		vec_push(m->a, &to->item, v[i]);
}

static bool
push_all(Machine *m, PyKind kind)
{
	size_t n;
	const Py **v = items(m, &n);

	if (!v)
		return false;
	if (kind == PY_DICT && n % 2)
		return fail(m, "it has a key without a value");
	Py *to = make(m, kind);
	append(m, to, v, n);
	return push(m, to);
}

static bool
push_tuple(Machine *m, size_t n)
{
	const Py *v[3] = { NULL };

	for (size_t i = n; i-- > 0;)
		v[i] = pop(m);
	Py *t = make(m, PY_TUPLE);
	append(m, t, v, n);
	return push(m, t);
}

/* Adds n values to the container on top.  Whatever is no container of our own (a
 * subclass of dict, say) keeps them too. */
static bool
add_to_top(Machine *m, const Py *const *v, size_t n, bool pairs)
{
	Py *to = (Py *)(uintptr_t)top(m);

	if (m->err)
		return false;
	bool fits = to->kind == PY_CALL || to->kind == PY_OBJECT ||
		(pairs ? to->kind == PY_DICT : to->kind == PY_LIST || to->kind == PY_SET);
	if (!fits || (pairs && n % 2))
		return fail(m, "it adds members to something that has none");
	append(m, to, v, n);
	return true;
}

static bool
add_marked(Machine *m, bool pairs)
{
	size_t n;
	const Py **v = items(m, &n);

	if (!v)
		return false;
	return add_to_top(m, v, n, pairs);
}

static bool
call(Machine *m, PyKind kind)
{
	const Py *arg = pop(m), *fn = pop(m);

	if (m->err)
		return false;
	if (kind == PY_CALL && py_is(fn, PY_CLASS, "collections.OrderedDict") && !py_item(arg, 0))
		return push(m, make(m, PY_DICT));
	Py *v = make(m, kind);
	v->fn = fn;
	v->arg = arg;
	return push(m, v);
}

static bool
build(Machine *m)
{
	const Py *state = pop(m);
	Py *v = (Py *)(uintptr_t)top(m);

	if (m->err)
		return false;
	if (v->kind == PY_OBJECT || v->kind == PY_CALL)
		v->state = state;
	else if (v->kind != PY_DICT)            /* an OrderedDict's own attributes: not needed */
		return fail(m, "it gives a state to something that has none");
	return true;
}

/* Memo numbers count up from 0, a put takes two bytes: none exceeds the length. */
static bool
put(Machine *m, uint64_t at)
{
	if (at >= m->len)
		return fail(m, "a memo number is too large");
	while (m->memo.n <= at)
		vec_push(m->a, &m->memo, NULL);
	m->memo.p[at] = top(m);
	return !m->err;
}

static bool
get(Machine *m, uint64_t at)
{
	if (at >= m->memo.n || !m->memo.p[at])
		return fail(m, "it refers to a value that was not kept");
	return push(m, m->memo.p[at]);
}

/* One opcode.  False: done, or m->err. */
static bool
step(Machine *m)
{
	const uint8_t *op = take(m, 1);

	if (!op)
		return false;
	switch (*op) {
	case 0x80: return number(m, 1) <= 5 ? !m->err : fail(m, "its protocol is newer than 5");
	case 0x95: number(m, 8); return !m->err;                /* FRAME: a hint */
	case '.': return false;
	case '(':
		if (m->mark.n >= DEEPEST)
			return fail(m, "it is nested too deeply");
		vec_push(m->a, &m->mark, m->stack.n);
		return true;
	case '0': pop(m); return !m->err;
	case '1': { size_t n; items(m, &n); return !m->err; }
	case '2': return push(m, top(m));

	case 'N': return push(m, &none);
	case 0x88: case 0x89: {
		Py *v = make(m, PY_BOOL);
		v->i = *op == 0x88;
		return push(m, v);
	}
	case 'K': return push_int(m, (int64_t)number(m, 1));
	case 'M': return push_int(m, (int64_t)number(m, 2));
	case 'J': return push_int(m, (int32_t)number(m, 4));
	case 0x8a: return push_long(m, number(m, 1));
	case 0x8b: return push_long(m, number(m, 4));
	case 'G': return push_real(m);

	case 'X': return push_text(m, PY_STR, number(m, 4));
	case 0x8c: return push_text(m, PY_STR, number(m, 1));
	case 0x8d: return push_text(m, PY_STR, number(m, 8));
	case 'T': case 'B': return push_text(m, PY_BYTES, number(m, 4));
	case 'U': case 'C': return push_text(m, PY_BYTES, number(m, 1));
	case 0x8e: return push_text(m, PY_BYTES, number(m, 8));

	case ')': return push(m, make(m, PY_TUPLE));
	case ']': return push(m, make(m, PY_LIST));
	case '}': return push(m, make(m, PY_DICT));
	case 0x8f: return push(m, make(m, PY_SET));
	case 0x85: return push_tuple(m, 1);
	case 0x86: return push_tuple(m, 2);
	case 0x87: return push_tuple(m, 3);
	case 't': return push_all(m, PY_TUPLE);
	case 'l': return push_all(m, PY_LIST);
	case 'd': return push_all(m, PY_DICT);
	case 0x91: return push_all(m, PY_SET);
	case 'a': { const Py *v = pop(m); return add_to_top(m, &v, 1, false); }
	case 's': { const Py *v[2]; v[1] = pop(m); v[0] = pop(m); return add_to_top(m, v, 2, true); }
	case 'e': case 0x90: return add_marked(m, false);
	case 'u': return add_marked(m, true);

	case 'q': return put(m, number(m, 1));
	case 'r': return put(m, number(m, 4));
	case 0x94: return put(m, m->memo.n);
	case 'h': return get(m, number(m, 1));
	case 'j': return get(m, number(m, 4));

	case 'c': { const char *module = line(m); return push_class(m, module, line(m)); }
	case 0x93: {
		const Py *name = pop(m), *module = pop(m);
		if (name->kind != PY_STR || module->kind != PY_STR)
			return fail(m, "it names a class by something that is no text");
		return push_class(m, module->s, name->s);
	}
	case 'R': return call(m, PY_CALL);
	case 0x81: return call(m, PY_OBJECT);
	case 0x92: pop(m); return call(m, PY_OBJECT);           /* keyword arguments: not needed */
	case 'b': return build(m);
	case 'Q': {
		Py *v = make(m, PY_PERSID);
		v->fn = pop(m);
		return push(m, v);
	}
	}
	return fail(m, arena_printf(m->a, "opcode 0x%02x is not one that checkpoints have", *op));
}

const Py *
pickle_read(Arena *a, const void *p, size_t len, const char **err)
{
	Machine m = { .a = a, .p = p, .end = (const uint8_t *)p + len, .len = len };

	if (len > MOST_BYTES) {
		*err = "it is too large";
		return NULL;
	}
	while (step(&m) && !m.err)
		continue;
	if (!m.err && (m.stack.n != 1 || m.mark.n))
		fail(&m, "it does not end with one value");
	*err = m.err;
	return m.err ? NULL : m.stack.p[0];
}

/* ---- looking at values --------------------------------------------------------------- */

bool
py_is(const Py *v, PyKind kind, const char *s)
{
	return v && v->kind == kind && v->s && v->n == strlen(s) && memcmp(v->s, s, v->n) == 0;
}

const Py *
py_get(const Py *v, const char *key)
{
	if (v && v->kind == PY_OBJECT)
		v = v->state;
	if (v && v->kind == PY_TUPLE)           /* (attributes, slots) */
		v = py_item(v, 0);
	if (!v || v->kind != PY_DICT || v->item.n > 2 * LONGEST_SEARCH)
		return NULL;
	for (size_t i = v->item.n; i >= 2; i -= 2)      /* a later value replaces an earlier one */
		if (py_is(v->item.p[i - 2], PY_STR, key))
			return v->item.p[i - 1];
	return NULL;
}

const Py *
py_item(const Py *v, size_t i)
{
	if (!v || (v->kind != PY_TUPLE && v->kind != PY_LIST && v->kind != PY_SET) || i >= v->item.n)
		return NULL;
	return v->item.p[i];
}
