/* value.c -- compile-time values and names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

const char *
value_kind(Value v)
{
	static const char *const kind[] = {
		[V_ERROR] = "a mistake", [V_NONE] = "none", [V_INT] = "an int", [V_REAL] = "a real",
		[V_BOOL] = "a bool", [V_STR] = "a string", [V_SYMBOL] = "a symbol",
		[V_DTYPE] = "an element type", [V_RANGE] = "a range", [V_LIST] = "a list",
		[V_TUPLE] = "a tuple", [V_FN] = "a function", [V_PRIM] = "a function",
		[V_TENSOR] = "a tensor",
	};

	return value_is_block(v) ? "a block" : kind[v.kind];
}

bool
value_is_block(Value v)
{
	return v.kind == V_FN && v.fn->decl->kind == AST_block;
}

bool
value_eq(Value a, Value b)
{
	if (is_number(a) && is_number(b))
		return a.kind == V_INT && b.kind == V_INT ? a.i == b.i : number(a) == number(b);
	if ((a.kind == V_STR || a.kind == V_SYMBOL) && (b.kind == V_STR || b.kind == V_SYMBOL))
		return !strcmp(a.s, b.s);
	if (a.kind != b.kind)
		return false;
	switch (a.kind) {
	case V_BOOL:
		return a.b == b.b;
	case V_DTYPE:
		return a.dt == b.dt;
	case V_RANGE:
		return a.i == b.i && a.hi == b.hi;
	case V_FN:
		return a.fn->decl == b.fn->decl;
	case V_PRIM:
		return a.prim == b.prim;
	case V_TENSOR:
		return a.v == b.v && a.g == b.g;
	case V_LIST: case V_TUPLE:
		if (a.items->n != b.items->n)
			return false;
		for (size_t i = 0; i < a.items->n; i++)
			if (!value_eq(a.items->p[i], b.items->p[i]))
				return false;
		return true;
	default:
		return true;
	}
}

bool
value_has_tensor(Value v)
{
	return v.kind == V_TENSOR || ((v.kind == V_LIST || v.kind == V_TUPLE) && v.items->tensor);
}

int64_t
value_size(Value v)
{
	return v.kind == V_LIST || v.kind == V_TUPLE ? v.items->values : 1;
}

/* Lists share their items, so a small spec can make a list of 2^60 values; what a list comes
 * to is counted when it is made, and eval() refuses more than can be looked at. */
Value
value_items(Arena *a, ValueKind k, const Value *p, size_t n)
{
	Items *it = NEW(a, Items);

	it->n = n;
	it->p = n ? arena_dup(a, p, n * sizeof(*p)) : NULL;
	it->values = it->depth = 1;
	for (size_t i = 0; i < n; i++) {
		it->values = MIN(it->values + value_size(p[i]), INT64_MAX / 2);
		it->tensor |= value_has_tensor(p[i]);
		if (p[i].kind == V_LIST || p[i].kind == V_TUPLE)
			it->depth = MAX(it->depth, p[i].items->depth + 1);
	}
	return (Value){ .kind = k, .items = it };
}

int64_t
value_len(Value v)
{
	switch (v.kind) {
	case V_LIST: case V_TUPLE:
		return (int64_t)v.items->n;
	case V_RANGE:
		if (v.hi <= v.i)
			return 0;
		return (int64_t)MIN((uint64_t)v.hi - (uint64_t)v.i, (uint64_t)INT64_MAX);
	case V_STR:
		return (int64_t)strlen(v.s);
	default:
		return -1;
	}
}

Value
value_at(Value v, size_t i)
{
	return v.kind == V_RANGE ? V(INT, .i = v.i + (int64_t)i) : v.items->p[i];
}

const char *
ast_formal_name(const Ast *decl, int i)
{
	return decl->kid[0]->kid[i]->name;
}

/* without printf: numbers are in every path and every list of arguments */
void
put_int(Text *t, int64_t i)
{
	char buf[24], *p = buf + sizeof(buf);
	uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;

	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (i < 0)
		*--p = '-';
	text_putn(t, p, (size_t)(buf + sizeof(buf) - p));
}

void
put_value(Text *t, const Interp *I, Value v)
{
	char buf[40];

	switch (v.kind) {
	case V_ERROR:
		text_put(t, "?");
		break;
	case V_NONE:
		text_put(t, "none");
		break;
	case V_INT:
		put_int(t, v.i);
		break;
	case V_REAL:
		text_put(t, fmt_real(buf, v.r, false));
		if (strspn(buf, "-0123456789") == strlen(buf))
			text_put(t, ".0");
		break;
	case V_BOOL:
		text_put(t, v.b ? "true" : "false");
		break;
	case V_STR:
		text_printf(t, "\"%.200s\"", v.s);
		break;
	case V_SYMBOL:
		text_put(t, v.s);
		break;
	case V_DTYPE:
		text_put(t, dtype_info[v.dt].name);
		break;
	case V_RANGE:
		text_printf(t, "%lld .. %lld", (long long)v.i, (long long)v.hi);
		break;
	case V_LIST: case V_TUPLE:
		text_put(t, v.kind == V_LIST ? "[" : "(");
		for (size_t i = 0; i < v.items->n; i++) {
			if (i >= 16 || t->n > 300) {
				text_printf(t, ", ... %zu more", v.items->n - i);
				break;
			}
			text_put(t, i ? ", " : "");
			put_value(t, I, v.items->p[i]);
		}
		text_put(t, v.kind == V_LIST ? "]" : ")");
		break;
	case V_FN:
		text_put(t, v.fn->decl->name ? v.fn->decl->name : "fn");
		break;
	case V_PRIM:
		text_put(t, v.prim->name);
		break;
	case V_TENSOR:
		text_put(t, I->g ? type_text(t->a, type_at(I, v)) : "a tensor");
		break;
	}
}

const char *
show(Interp *I, Value v)
{
	Text t = { .a = I->a };

	put_value(&t, I, v);
	return text_str(&t);
}

/* ---- names ------------------------------------------------------------------------- */

Env *
env_new(Arena *a, Env *up, bool call)
{
	Env *e = NEW(a, Env);

	e->up = up;
	e->call = call;
	return e;
}

/* A vector that grows leaves its smaller selves behind in the arena: most names of a run are
 * those of calls, and how many a call has is known. */
Env *
env_sized(Arena *a, Env *up, bool call, size_t names)
{
	Env *e = env_new(a, up, call);

	if (names) {
		e->var.p = NEWN(a, Var, names);
		e->var.cap = names;
	}
	return e;
}

Env *
env_index(Arena *a, Env *up)
{
	Env *e = env_new(a, up, true);

	e->index = NEW(a, Index);
	return e;
}

/* Names of one file are one text. */
static bool
equal(const char *a, const char *b)
{
	return a == b || strcmp(a, b) == 0;
}

static Var **
slot_of(const Index *x, const char *name, uint32_t hash)
{
	size_t i = hash & (x->nslot - 1);

	while (x->slot[i] && (x->slot[i]->hash != hash || !equal(x->slot[i]->name, name)))
		i = (i + 1) & (x->nslot - 1);
	return &x->slot[i];
}

Var *
env_find(const Env *e, const char *name, uint32_t hash)
{
	if (e->index)
		return e->index->nslot ? *slot_of(e->index, name, hash) : NULL;
	for (size_t i = e->var.n; i-- > 0; )
		if (e->var.p[i].hash == hash && equal(e->var.p[i].name, name))
			return &e->var.p[i];
	return NULL;
}

static void
index_add(Arena *a, Index *x, Var *v)
{
	if ((x->var.n + 1) * 2 > x->nslot) {
		x->nslot = x->nslot ? 2 * x->nslot : 16;
		x->slot = NEWN(a, Var *, x->nslot);
		for (size_t i = 0; i < x->var.n; i++)
			*slot_of(x, x->var.p[i]->name, x->var.p[i]->hash) = x->var.p[i];
	}
	vec_push(a, &x->var, v);
	*slot_of(x, v->name, v->hash) = v;
}

void
env_add(Arena *a, Env *e, Var var)
{
	if (e->index)
		index_add(a, e->index, arena_dup(a, &var, sizeof(var)));
	else if (e->var.n < e->var.cap)
		e->var.p[e->var.n++] = var;
	else
		vec_push(a, &e->var, var);
}

void
env_def(Arena *a, Env *e, const char *name, Value v, Span s)
{
	Var var = { name, ast_hash(name, strlen(name)), s, v };
	Var *had = env_find(e, name, var.hash);

	if (had)
		*had = var;
	else
		env_add(a, e, var);
}
