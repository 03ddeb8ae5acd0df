/* interp.c -- a walk over the tree that leaves a graph behind.
 *
 *     eval(tree, names) -> value          numbers are computed, tensors are built
 *
 * Three rules carry the rest:
 *   - a mistake is reported once and gives V_ERROR, which is silent from there on,
 *     so that the next statement is looked at as well;
 *   - a call of a block opens a path, named by what the call is bound to;
 *   - everything costs steps, so no spec can keep the compiler busy.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

#include <math.h>

/* ---- mistakes and limits -------------------------------------------------------------- */

/* What a message costs in steps: a loop must not make a million of them. */
enum { MESSAGE_COST = 500 };

/* Each mistake once, however many calls lead to it; then how it was come by. */
Value
fail_at(Interp *I, Span s, const char *slug, const char *msg, const char *more)
{
	const char *key = arena_printf(I->a, "%u:%u:%s", s.src, s.begin, msg);

	I->steps += MESSAGE_COST;
	I->told = !I->stop && !map_has(I->said, key);
	if (!I->told)
		return V(ERROR);
	map_set(I->said, key, I);
	diag_error(I->d, s, slug, "%s", msg);
	if (more)
		diag_note(I->d, s, "%s", more);
	for (const Frame *f = I->frame; f; f = f->up)
		diag_note(I->d, f->call, "in %s", f->chain);
	return V(ERROR);
}

Value
fail(Interp *I, Span s, const char *slug, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *msg = arena_vprintf(I->a, fmt, ap);
	va_end(ap);
	return fail_at(I, s, slug, msg, NULL);
}

void
note(Interp *I, Span s, const char *fmt, ...)
{
	va_list ap;

	if (!I->told)
		return;
	va_start(ap, fmt);
	diag_note(I->d, s, "%s", arena_vprintf(I->a, fmt, ap));
	va_end(ap);
}

static Value
give_up(Interp *I, Span s, const char *fmt, int limit)
{
	char msg[128];

	snprintf(msg, sizeof(msg), fmt, limit);
	fail(I, s, "limit", "%s", msg);
	I->stop = true;
	return V(ERROR);
}

bool
spend(Interp *I, int64_t steps, Span at)
{
	if (I->stop)
		return false;
	I->steps += steps;
	if (I->steps > ELAB_MAX_STEPS)
		give_up(I, at, "the spec runs for more than %d steps", ELAB_MAX_STEPS);
	return !I->stop;
}

/* ---- names ------------------------------------------------------------------------------ */

static Var *
lookup(Env *e, const Ast *name)
{
	for (; e; e = e->up) {
		Var *v = env_find(e, name->name, name->hash);

		if (v)
			return v;
	}
	return NULL;
}

static Value
unknown_name(Interp *I, Env *e, const Ast *a)
{
	VEC(const char *) seen = { 0 };

	if (!spend(I, MESSAGE_COST, a->span))
		return V(ERROR);
	for (; e; e = e->up) {
		for (size_t i = 0; i < e->var.n; i++)
			vec_push(I->a, &seen, e->var.p[i].name);
		for (size_t i = 0; e->index && i < e->index->var.n; i++)
			vec_push(I->a, &seen, e->index->var.p[i]->name);
	}

	const char *near = did_you_mean(a->name, seen.p, seen.n);

	return fail(I, a->span, "unknown-name", near ? "nothing is named %s; did you mean %s?"
	            : "nothing is named %s", a->name, near);
}

/* `x = v`: the nearest x up to the function around, else a new one here */
static void
assign(Interp *I, Env *e, const char *name, Value v, Span s)
{
	uint32_t hash = ast_hash(name, strlen(name));

	for (Env *at = e; at; at = at->up) {
		Var *had = env_find(at, name, hash);

		if (had) {
			*had = (Var){ had->name, hash, s, v };
			return;
		}
		if (at->call)
			break;
	}
	env_add(I->a, e, (Var){ name, hash, s, v });
}

bool
destructure(Interp *I, Env *e, const Ast *pat, Value v, bool fresh)
{
	if (pat->kind == AST_any)
		return true;
	if (pat->kind == AST_name) {
		if (fresh)
			env_def(I->a, e, pat->name, v, pat->span);
		else
			assign(I, e, pat->name, v, pat->span);
		return true;
	}
	if (v.kind == V_ERROR) {
		for (int i = 0; i < pat->n; i++)
			destructure(I, e, pat->kid[i], v, fresh);
		return false;
	}
	if (v.kind != V_LIST && v.kind != V_TUPLE) {
		fail(I, pat->span, "destructure", "%d names are wanted, but the value is %s", pat->n, value_kind(v));
		return destructure(I, e, pat, V(ERROR), fresh);
	}
	if ((int)v.items->n != pat->n) {
		fail(I, pat->span, "destructure", "%d names stand for %zu values", pat->n, v.items->n);
		return destructure(I, e, pat, V(ERROR), fresh);
	}
	for (int i = 0; i < pat->n; i++)
		destructure(I, e, pat->kid[i], v.items->p[i], fresh);
	return true;
}

/* ---- symbols: a bare name where one of some words is wanted --------------------------------- */

static Value
symbol(Interp *I, const Ast *choices, const Ast *word)
{
	VEC(const char *) names = { 0 };
	Text t = { .a = I->a };

	for (int i = 0; i < choices->n; i++) {
		const Ast *c = choices->kid[i];

		if (c->kind != AST_name && c->kind != AST_string)
			continue;
		if (!strcmp(c->name, word->name))
			return V(SYMBOL, .s = c->name, .choices = choices);
		text_printf(&t, "%s%s", names.n ? ", " : "", c->name);
		vec_push(I->a, &names, c->name);
	}

	const char *near = did_you_mean(word->name, names.p, names.n);

	return fail(I, word->span, "one-of", near ? "%s is none of %s; did you mean %s?" : "%s is none of %s",
	            word->name, text_str(&t), near);
}

/* A bare name as a symbol: one of the choices, or of any if there are none. */
static Value
word_of(Interp *I, Env *e, const Ast *choices, const Ast *a)
{
	Var *had = lookup(e, a);

	if (had && had->v.kind == V_SYMBOL)
		return had->v;
	return choices ? symbol(I, choices, a) : V(SYMBOL, .s = a->name);
}

static bool
takes_words(const Ast *type)
{
	return type && ((type->kind == AST_type_of && same(type->name, "one_of")) ||
	                (type->kind == AST_type && same(type->name, "symbol")));
}

/* What is compared with a symbol: its bare names are symbols of the same set. */
static Value
eval_beside(Interp *I, Env *e, const Ast *a, Value sym)
{
	if (sym.kind == V_SYMBOL && a->kind == AST_name)
		return word_of(I, e, sym.choices, a);
	if (sym.kind == V_SYMBOL && (a->kind == AST_tuple || a->kind == AST_list)) {
		Value *p = NEWN(I->a, Value, (size_t)a->n + 1);

		for (int i = 0; i < a->n; i++)
			if ((p[i] = eval_beside(I, e, a->kid[i], sym)).kind == V_ERROR)
				return V(ERROR);
		return value_items(I->a, V_LIST, p, (size_t)a->n);
	}
	return eval(I, e, a, NULL);
}

/* ---- numbers ---------------------------------------------------------------------------------- */

static int64_t
floor_div(int64_t x, int64_t y)
{
	return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

static bool
int_arith(AstOp op, int64_t x, int64_t y, int64_t *z)
{
	switch (op) {
	case AOP_add:
		return !__builtin_add_overflow(x, y, z);
	case AOP_sub:
		return !__builtin_sub_overflow(x, y, z);
	case AOP_mul:
		return !__builtin_mul_overflow(x, y, z);
	case AOP_idiv:
		if (y == -1)
			return !__builtin_sub_overflow((int64_t)0, x, z);
		*z = floor_div(x, y);
		return true;
	case AOP_mod:
		*z = y == -1 ? 0 : x - floor_div(x, y) * y;
		return true;
	default:        /* pow, y >= 0 */
		*z = 1;
		for (; y > 0; y >>= 1) {
			if (y & 1 && __builtin_mul_overflow(*z, x, z))
				return false;
			if (y > 1 && __builtin_mul_overflow(x, x, &x))
				return false;
		}
		return true;
	}
}

static double
real_arith(AstOp op, double x, double y)
{
	switch (op) {
	case AOP_add:
		return x + y;
	case AOP_sub:
		return x - y;
	case AOP_mul:
		return x * y;
	case AOP_div:
		return x / y;
	case AOP_idiv:
		return floor(x / y);
	case AOP_mod:
		return x - floor(x / y) * y;
	default:
		return pow(x, y);
	}
}

static Value
arith_numbers(Interp *I, AstOp op, Value x, Value y, Span at)
{
	bool ints = x.kind == V_INT && y.kind == V_INT;
	double a = number(x), b = number(y);
	int64_t z;

	switch (op) {
	case AOP_lt:
		return V(BOOL, .b = ints ? x.i < y.i : a < b);
	case AOP_le:
		return V(BOOL, .b = ints ? x.i <= y.i : a <= b);
	case AOP_gt:
		return V(BOOL, .b = ints ? x.i > y.i : a > b);
	case AOP_ge:
		return V(BOOL, .b = ints ? x.i >= y.i : a >= b);
	case AOP_div: case AOP_idiv: case AOP_mod:
		if (b == 0)
			return fail(I, at, "arithmetic", "%s %s %s divides by zero", show(I, x), ast_op_text(op), show(I, y));
		break;
	default:
		break;
	}
	if (!ints || op == AOP_div || (op == AOP_pow && y.i < 0))
		return V(REAL, .r = real_arith(op, a, b));
	if (!int_arith(op, x.i, y.i, &z))
		return fail(I, at, "arithmetic", "%s %s %s is too large for an int", show(I, x), ast_op_text(op), show(I, y));
	return V(INT, .i = z);
}

/* ---- arithmetic on tensors: graph operations -------------------------------------------------- */

static const struct { OpKind op; bool swap; } tensor_op[AOP_COUNT] = {
	[AOP_add] = { OP_add, 0 }, [AOP_sub] = { OP_sub, 0 }, [AOP_mul] = { OP_mul, 0 },
	[AOP_div] = { OP_div, 0 }, [AOP_idiv] = { OP_div, 0 }, [AOP_mod] = { OP_mod, 0 },
	[AOP_pow] = { OP_pow, 0 }, [AOP_eq] = { OP_eq, 0 }, [AOP_ne] = { OP_ne, 0 },
	[AOP_lt] = { OP_lt, 0 }, [AOP_le] = { OP_le, 0 }, [AOP_gt] = { OP_lt, 1 },
	[AOP_ge] = { OP_le, 1 }, [AOP_and] = { OP_and, 0 }, [AOP_or] = { OP_or, 0 },
};

/* A number or a truth value takes the element type and the rank of the tensor beside it. */
Value
constant(Interp *I, Span at, Value v, DType dt, int rank)
{
	double x = v.kind == V_BOOL ? v.b : is_number(v) ? number(v) : 0;

	if (!is_number(v) && v.kind != V_BOOL)
		return fail(I, at, "type", "a tensor of %s cannot be combined with %s, which is %s%s",
		            dtype_info[dt].name, show(I, v), value_kind(v),
		            v.kind == V_LIST || v.kind == V_TUPLE ? "; tensor(...) makes it a constant" : "");
	if ((v.kind == V_BOOL) != (dt == DT_BOOL))
		return fail(I, at, "type", "a tensor of %s cannot be combined with %s", dtype_info[dt].name, show(I, v));
	if (!dtype_info[dt].real && x != floor(x))
		return fail(I, at, "type", "%s is no %s; cast the tensor to f32 first", show(I, v), dtype_info[dt].name);
	if ((dt == DT_U8 && (x < 0 || x > 255)) || (dt == DT_I32 && fabs(x) > 0x1p31 - 1))
		return fail(I, at, "type", "%s is too large for %s", show(I, v), dtype_info[dt].name);
	return node_done(I, graph_scalar(I->g, dt, rank, x), at);
}

static Value
arith_tensors(Interp *I, AstOp op, Value x, Value y, Span at)
{
	if (!body_meet(I, &x, &y, at))
		return V(ERROR);
	if (op == AOP_div && I->body) {
		x = body_real(I, x, at);
		y = body_real(I, y, at);
	}

	const Type *t = type_at(I, x.kind == V_TENSOR ? x : y);
	DType dt = t->dt;
	int rank = t->rank;

	if (op == AOP_div && !dtype_info[dt].real)
		return fail(I, at, "type", "integer tensors are divided with //; cast to f32 for /");
	if (x.kind != V_TENSOR)
		x = constant(I, at, x, dt, rank);
	else if (y.kind != V_TENSOR)
		y = constant(I, at, y, dt, rank);
	if (x.kind == V_ERROR || y.kind == V_ERROR)
		return V(ERROR);

	Value arg[2] = { x, y };

	if (tensor_op[op].swap)
		arg[0] = y, arg[1] = x;

	Value z = make_node(I, at, tensor_op[op].op, arg, 2, NULL, 0);

	if (op == AOP_idiv && dtype_info[dt].real && z.kind == V_TENSOR)
		z = make_node(I, at, OP_floor, &z, 1, NULL, 0);
	return z;
}

static Value
arith_in(Interp *I, Value x, Value y, Span at)
{
	if (y.kind == V_RANGE && x.kind == V_TENSOR) {
		Value lo = arith(I, AOP_ge, x, V(INT, .i = y.i), at);

		return y.hi == INT64_MAX ? lo : arith(I, AOP_and, lo, arith(I, AOP_lt, x, V(INT, .i = y.hi), at), at);
	}
	if (y.kind == V_RANGE && is_number(x))
		return V(BOOL, .b = number(x) >= (double)y.i && number(x) < (double)y.hi);
	if (y.kind != V_LIST && y.kind != V_TUPLE)
		return fail(I, at, "type", "`in` looks into a list, a tuple or a range, not into %s", value_kind(y));
	if (!spend(I, value_size(y), at))
		return V(ERROR);
	for (size_t i = 0; i < y.items->n; i++)
		if (value_eq(x, y.items->p[i]))
			return V(BOOL, .b = true);
	return V(BOOL, .b = false);
}

Value
arith(Interp *I, AstOp op, Value x, Value y, Span at)
{
	if (x.kind == V_ERROR || y.kind == V_ERROR)
		return V(ERROR);
	if (op == AOP_in)
		return arith_in(I, x, y, at);
	if ((x.kind == V_TENSOR || y.kind == V_TENSOR) && x.kind != V_NONE && y.kind != V_NONE)
		return arith_tensors(I, op, x, y, at);
	if (op == AOP_eq || op == AOP_ne)
		return !spend(I, value_size(x), at) ? V(ERROR) :
			V(BOOL, .b = value_eq(x, y) == (op == AOP_eq));
	if (is_number(x) && is_number(y))
		return arith_numbers(I, op, x, y, at);
	if (op == AOP_add && x.kind == V_STR && y.kind == V_STR && strlen(x.s) + strlen(y.s) > ELAB_MAX_TEXT)
		return give_up(I, at, "a string has more than %d bytes", ELAB_MAX_TEXT);
	if (op == AOP_add && x.kind == V_STR && y.kind == V_STR)
		return V(STR, .s = arena_printf(I->a, "%s%s", x.s, y.s));
	if (op == AOP_add && x.kind == y.kind && (x.kind == V_LIST || x.kind == V_TUPLE)) {
		size_t n = x.items->n, m = y.items->n;

		if (n + m > ELAB_MAX_ITEMS)
			return give_up(I, at, "a list has more than %d items", ELAB_MAX_ITEMS);
		if (!spend(I, (int64_t)(n + m), at))
			return V(ERROR);

		Value *p = NEWN(I->a, Value, n + m + 1);

		for (size_t i = 0; i < n + m; i++)
			p[i] = i < n ? x.items->p[i] : y.items->p[i - n];
		return value_items(I->a, x.kind, p, n + m);
	}
	return fail(I, at, "type", "`%s` does not go with %s and %s", ast_op_text(op), value_kind(x), value_kind(y));
}

static Value
eval_binary(Interp *I, Env *e, const Ast *a, const char *name)
{
	Value x = eval(I, e, a->kid[0], name), y;

	if ((a->op == AOP_and || a->op == AOP_or) && x.kind == V_BOOL) {
		if (x.b == (a->op == AOP_or))
			return x;
		y = eval(I, e, a->kid[1], name);
		if (y.kind == V_BOOL || y.kind == V_ERROR || (y.kind == V_TENSOR && type_at(I, y)->dt == DT_BOOL))
			return y;
		return fail(I, a->at, "type", "`%s` needs a bool, but its right side is %s", ast_op_text(a->op), value_kind(y));
	}
	if (x.kind == V_SYMBOL)
		y = eval_beside(I, e, a->kid[1], x);
	else
		y = eval(I, e, a->kid[1], name);
	return arith(I, a->op, x, y, a->at);
}

static Value
eval_unary(Interp *I, Env *e, const Ast *a)
{
	Value x = eval(I, e, a->kid[0], NULL);

	if (x.kind == V_ERROR)
		return x;
	if (x.kind == V_TENSOR)
		return make_node(I, a->at, a->op == AOP_not ? OP_not : OP_neg, &x, 1, NULL, 0);
	if (a->op == AOP_not && x.kind == V_BOOL)
		return V(BOOL, .b = !x.b);
	if (a->op == AOP_neg && x.kind == V_REAL)
		return V(REAL, .r = -x.r);
	if (a->op == AOP_neg && x.kind == V_INT)
		return arith_numbers(I, AOP_sub, V(INT, .i = 0), x, a->at);
	return fail(I, a->at, "type", "`%s` does not go with %s", ast_op_text(a->op), value_kind(x));
}

/* ---- types of arguments --------------------------------------------------------------------- */

static bool
dim_name_is_new(Env *e, const Ast *d)
{
	Var *v;

	if (d->kind != AST_name)
		return false;
	v = lookup(e, d);
	return !v || (v->v.kind != V_INT && v->v.kind != V_ERROR);
}

bool
eval_type(Interp *I, Env *e, const Ast *type, Type *t)
{
	*t = (Type){ .dt = same(type->name, "f32") ? DT_F32 : dtype_named(type->name) };
	if (t->dt == DT_NONE) {
		const char *names[DT_COUNT];
		size_t n = 0;

		for (int i = DT_NONE + 1; i < DT_COUNT; i++)
			names[n++] = dtype_info[i].name;

		const char *near = did_you_mean(type->name, names, n);

		fail(I, type->span, "type", near ? "no element type is named %s; did you mean %s?"
		     : "no element type is named %s", type->name, near);
		return false;
	}
	if (type->n > MAX_RANK) {
		fail(I, type->span, "limit", "a tensor has at most %d dimensions", MAX_RANK);
		return false;
	}
	for (int i = 0; i < type->n; i++) {
		const Ast *k = type->kid[i];

		t->dim[t->rank++] = -1;
		if (k->kind == AST_range && !k->kid[0] && !k->kid[1])
			continue;

		Value v = eval(I, e, k, NULL);

		if (v.kind == V_ERROR)
			return false;
		if (v.kind != V_INT || v.i < 1 || v.i > 1 << 30) {
			fail(I, k->span, "shape", "a dimension is an int from 1 to 2^30, not %s", show(I, v));
			return false;
		}
		t->dim[i] = v.i;
	}
	/* no tensor of a network comes near; past this, bytes would not fit 64 bits */
	double count = 1;

	for (int i = 0; i < t->rank; i++)
		count *= (double)(t->dim[i] > 0 ? t->dim[i] : 1);
	if (count > 0x1p40) {
		fail(I, type->span, "limit", "a tensor has at most 2^40 elements");
		return false;
	}
	return true;
}

/* `check shape x = [n, c, h, w]` and typed arguments: a new name takes the size, anything
 * else must be equal to it. */
static bool
match_shape(Interp *I, Env *e, const Ast *want, const Type *t, Span at, const char *what)
{
	if (want->n != t->rank) {
		fail(I, at, "shape", "%s has %d dimensions, but %d are wanted: it is %s", what, t->rank, want->n,
		     type_text(I->a, t));
		return false;
	}
	for (int i = 0; i < want->n; i++) {
		const Ast *k = want->kid[i];

		if (k->kind == AST_any || (k->kind == AST_range && !k->kid[0] && !k->kid[1]))
			continue;
		if (t->dim[i] < 0) {
			fail(I, at, "shape", "dimension %d of %s, %s, is known only when it runs: write `..`", i, what, type_text(I->a, t));
			return false;
		}
		if (dim_name_is_new(e, k)) {
			env_def(I->a, e, k->name, V(INT, .i = t->dim[i]), k->span);
			continue;
		}

		Value v = eval(I, e, k, NULL);

		if (v.kind == V_ERROR)
			return false;
		if (v.kind != V_INT || v.i != t->dim[i]) {
			fail(I, at, "shape", "dimension %d of %s is %lld, but %s is wanted: it is %s", i, what,
			     (long long)t->dim[i], show(I, v), type_text(I->a, t));
			return false;
		}
	}
	return true;
}

static bool
fit_size(Interp *I, Value *v)
{
	if (v->kind == V_INT) {
		*v = value_items(I->a, V_TUPLE, (Value[]){ *v, *v }, 2);
		return true;
	}
	return (v->kind == V_TUPLE || v->kind == V_LIST) && v->items->n == 2 &&
	       v->items->p[0].kind == V_INT && v->items->p[1].kind == V_INT;
}

/* (1, 3, h, w), as x.shape gives it, or a list: in either case a list from here on */
static bool
fit_shape(Interp *I, Value *v)
{
	if ((v->kind != V_TUPLE && v->kind != V_LIST) || v->items->n > MAX_RANK)
		return false;
	for (size_t i = 0; i < v->items->n; i++)
		if (v->items->p[i].kind != V_INT || v->items->p[i].i < 1)
			return false;
	if (v->kind == V_TUPLE)
		*v = value_items(I->a, V_LIST, v->items->p, v->items->n);
	return true;
}

static const struct { const char *name; ValueKind kind; const char *text; } simple[] = {
	{ "tensor", V_TENSOR, "a tensor" }, { "int", V_INT, "an int" }, { "bool", V_BOOL, "a bool" },
	{ "real", V_REAL, "a real" }, { "string", V_STR, "a string" }, { "list", V_LIST, "a list" },
	{ "tuple", V_TUPLE, "a tuple" }, { "any", V_NONE, NULL }, { "function", V_FN, "a function" },
	{ "range", V_RANGE, "a range" }, { "symbol", V_SYMBOL, "a symbol" }, { "dtype", V_DTYPE, "an element type" },
	{ "shape", V_LIST, "a shape (a list of sizes)" }, { "size", V_TUPLE, "a size" },
};

/* The common case, before any text for a message is made. */
static bool
fits_plainly(const Ast *type, Value v)
{
	if (type->kind == AST_type && !type->flag)
		for (size_t i = 0; i < COUNT(simple) - 2; i++)   /* not shape and size */
			if (v.kind == simple[i].kind && same(type->name, simple[i].name))
				return true;
	return false;
}

bool
fit_type(Interp *I, Env *e, const Ast *type, Value *v, Span at, const char *what)
{
	const char *names[COUNT(simple)];

	if (v->kind == V_ERROR)
		return false;
	if (type->kind == AST_type_of) {
		if (!strcmp(type->name, "list")) {
			if (v->kind == V_LIST)
				return true;
			fail(I, at, "type", "%s takes a list, but %s is %s", what, show(I, *v), value_kind(*v));
			return false;
		}
		if (strcmp(type->name, "one_of")) {
			fail(I, type->span, "type", "a type with parentheses is one_of(...) or list(...), not %s", type->name);
			return false;
		}
		Text t = { .a = I->a };

		for (int i = 0; i < type->n; i++) {
			const Ast *c = type->kid[i];

			if (c->kind == AST_name || c->kind == AST_string) {
				if ((v->kind == V_SYMBOL || v->kind == V_STR) && !strcmp(v->s, c->name)) {
					*v = V(SYMBOL, .s = c->name, .choices = type);
					return true;
				}
				text_printf(&t, "%s%s", i ? ", " : "", c->name);
				continue;
			}
			Value w = eval(I, e, c, NULL);

			if (value_eq(*v, w))
				return true;
			text_printf(&t, "%s%s", i ? ", " : "", show(I, w));
		}
		fail(I, at, "one-of", "%s is one of %s, not %s", what, text_str(&t), show(I, *v));
		return false;
	}
	if (!type->flag)
		for (size_t i = 0; i < COUNT(simple); i++) {
			names[i] = simple[i].name;
			if (strcmp(type->name, simple[i].name))
				continue;
			if (!simple[i].text || (v->kind == simple[i].kind && i < COUNT(simple) - 2))
				return true;
			if (simple[i].kind == V_REAL && v->kind == V_INT) {
				*v = V(REAL, .r = (double)v->i);
				return true;
			}
			if (simple[i].kind == V_SYMBOL && v->kind == V_STR) {
				v->kind = V_SYMBOL;
				v->choices = NULL;
				return true;
			}
			if ((simple[i].kind == V_FN && v->kind == V_PRIM) ||
			    (simple[i].kind == V_STR && v->kind == V_SYMBOL) ||
			    (!strcmp(simple[i].name, "size") && fit_size(I, v)) ||
			    (!strcmp(simple[i].name, "shape") && fit_shape(I, v)))
				return true;
			fail(I, at, "type", "%s takes %s, but %s is %s%s", what, simple[i].text, show(I, *v), value_kind(*v),
			     simple[i].kind == V_INT && v->kind == V_REAL ? "; int(), round(), floor() or ceil() gives one" : "");
			return false;
		}
	if (dtype_named(type->name) == DT_NONE) {
		const char *near = did_you_mean(type->name, names, type->flag ? 0 : COUNT(simple));

		fail(I, type->span, "type", near ? "no type is named %s; did you mean %s?" : "no type is named %s",
		     type->name, near);
		return false;
	}
	if (v->kind != V_TENSOR) {
		fail(I, at, "type", "%s takes a tensor of %s, but %s is %s", what, type->name, show(I, *v), value_kind(*v));
		return false;
	}
	if (type_at(I, *v)->dt != dtype_named(type->name)) {
		fail(I, at, "type", "%s takes a tensor of %s, but it is %s", what, type->name, show(I, *v));
		return false;
	}
	if (!type->flag)
		return true;
	if (!match_shape(I, e, type, type_at(I, *v), at, what))
		return false;
	name_axes(I, e, *v, type);
	return true;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* Where each argument goes.  src[i] is the formal's index, or -1: the rest. */
typedef struct Args {
	struct Args *next;              /* of those that wait in I->args */
	int n;                          /* arguments, the piped one included */
	const Ast *ast[ELAB_MAX_FORMALS];       /* NULL: the value is here already */
	Value v[ELAB_MAX_FORMALS];
	int to[ELAB_MAX_FORMALS];
	bool named[ELAB_MAX_FORMALS];
} Args;

static bool
gather_args(Interp *I, const Ast *call, const Value *given, size_t ngiven, Args *g)
{
	int n = call && call->kind == AST_call ? call->n - 1 : 0;

	g->n = 0;
	if ((size_t)n + ngiven > ELAB_MAX_FORMALS) {
		fail(I, call->at, "limit", "a call has at most %d arguments", ELAB_MAX_FORMALS);
		return false;
	}
	for (size_t i = 0; i < ngiven; i++) {
		g->ast[g->n] = NULL;
		g->named[g->n] = false;
		g->v[g->n++] = given[i];
	}
	for (int i = 0; i < n; i++) {
		g->ast[g->n] = call->kid[i + 1];
		g->named[g->n++] = call->kid[i + 1]->kind == AST_arg;
	}
	return true;
}

static bool
place_args(Interp *I, Args *g, const char *what, const char *const *formal, int nformal, bool rest, Span at)
{
	bool full[ELAB_MAX_FORMALS] = { 0 };
	int next = 0;

	for (int i = 0; i < g->n; i++) {
		const Ast *a = g->ast[i];
		int to = -1;

		if (!g->named[i]) {
			while (next < nformal && full[next])
				next++;
			/* with a rest, the others are given by name */
			to = rest ? nformal - 1 : next;
			if (to >= nformal) {
				fail(I, a ? a->span : at, "argument", "%s takes %d argument%s, but %d are given", what, nformal,
				     nformal == 1 ? "" : "s", g->n);
				return false;
			}
		} else {
			for (int k = 0; k < nformal; k++)
				if (same(formal[k], a->name))
					to = k;
			if (to < 0) {
				const char *near = did_you_mean(a->name, formal, (size_t)nformal);
				Text t = { .a = I->a };

				for (int k = 0; k < nformal; k++)
					text_printf(&t, "%s%s", k ? ", " : "", formal[k]);
				if (near)
					fail(I, a->at, "argument", "%s has no argument %s; did you mean %s?", what, a->name, near);
				else
					fail(I, a->at, "argument", "%s has no argument %s; it has %s", what, a->name, text_str(&t));
				return false;
			}
			if (full[to]) {
				fail(I, a->at, "argument", "%s: %s is given twice", what, formal[to]);
				return false;
			}
		}
		full[to] = !(rest && to == nformal - 1);
		g->to[i] = to;
	}
	return true;
}

/* What a call says in messages and in `info`: its arguments without the tensors. */
static const char *
args_text(Interp *I, const Args *g, const char *const *formal)
{
	Text t = { .a = I->a };

	vec_reserve(I->a, &t, 48);      /* every call of a block has such a text: it need not grow */
	for (int i = 0; i < g->n; i++) {
		if (value_has_tensor(g->v[i]))
			continue;
		if (t.n)
			text_put(&t, ", ");
		if (g->named[i]) {
			text_put(&t, formal[g->to[i]]);
			text_put(&t, ": ");
		}
		put_value(&t, I, g->v[i]);
	}
	return text_str(&t);
}

/* "Conv(16, k: 3) at model.0, called from yolov12.y12:31" */
static void
say_frame(Interp *I, Frame *f, const char *block, const char *args, const char *path)
{
	const Source *src = diag_source_of(I->d, f->call);
	const char *base = src ? strrchr(src->path, '/') : NULL;
	const char *part[] = { block, "(", args, ") at ", path, ", called from ", base ? base + 1 : src ? src->path : "", ":" };
	size_t parts = src ? COUNT(part) : 5, len = 0;
	Text t = { .a = I->a };

	for (size_t i = 0; i < parts; i++)
		len += strlen(part[i]);
	vec_reserve(I->a, &t, len + 12);
	for (size_t i = 0; i < parts; i++)
		text_put(&t, part[i]);
	if (src) {
		int line, col;

		diag_line_col(I->d, f->call, &line, &col);
		put_int(&t, line);
	}
	f->chain = text_str(&t);
}

static void
add_outputs(Interp *I, ElabLayer *l, Value v)
{
	if (v.kind == V_TENSOR)
		vec_push(I->a, &l->out, v.v);
	else if (v.kind == V_LIST || v.kind == V_TUPLE)
		for (size_t i = 0; i < v.items->n; i++)
			add_outputs(I, l, v.items->p[i]);
}

static Value
run_fn(Interp *I, const Fn *f, Env *e, const char *ret_name)
{
	const char *outer = I->ret_name;
	Value v;

	I->ret_name = ret_name;
	v = run_body(I, e, f->decl->kid[f->decl->n - 1], ret_name);
	if (I->returned)
		v = I->ret;
	I->returned = false;
	I->ret_name = outer;
	return v;
}

/* A block opens a path; what it makes is named by it, and remembered as its layer's. */
static Value
run_block(Interp *I, const Fn *f, Env *e, const Args *g, const char *const *formal, Span at, const char *name)
{
	const char *args = args_text(I, g, formal);
	Scope *s = scope_for(I, name, at, f->decl->name), *outer = I->scope;
	Frame frame = { .up = I->frame, .call = at };
	bool top = outer->next >= 0;
	size_t first = I->g->node.n, at_layer = I->out->layer.n;
	int layer = I->layer;
	Value v;

	if (!s)
		return V(ERROR);
	say_frame(I, &frame, f->decl->name, args, s->path);
	if (top) {
		I->layer = (int)outer->next - 1;
		if (I->run == 1) {
			ElabLayer l = { .index = I->layer, .path = s->path, .block = f->decl->name, .args = args,
			                .g = I->g, .first = (Val)first, .span = at };

			vec_push(I->a, &I->out->layer, l);
		}
	}

	/* the loops outside count for paths outside only */
	size_t loops = I->loop.n;
	int64_t *turns = I->loop.p;
	size_t cap = I->loop.cap;

	I->loop.p = NULL;
	I->loop.n = I->loop.cap = 0;
	I->scope = s;
	I->frame = &frame;
	v = run_fn(I, f, e, NULL);
	I->frame = frame.up;
	I->scope = outer;
	I->loop.p = turns;
	I->loop.n = loops;
	I->loop.cap = cap;
	I->layer = layer;

	if (v.kind == V_TENSOR && v.v >= first && graph_node(I->g, v.v)->op != OP_param)
		graph_node(I->g, v.v)->name = s->path;
	if (top && I->run == 1) {
		ElabLayer *l = &I->out->layer.p[at_layer];

		l->end = (Val)I->g->node.n;
		add_outputs(I, l, v);
	}
	return v;
}

/* parameters, and what the statements of its body name */
static size_t
names_of_call(const Ast *decl)
{
	const Ast *body = decl->kid[decl->n - 1];
	size_t n = (size_t)decl->kid[0]->n;

	for (int i = 0; body->kind == AST_body && i < body->n; i++) {
		const Ast *s = body->kid[i];
		bool names = s->kind == AST_let || s->kind == AST_bind;

		n += names && s->kid[0]->kind == AST_tuple ? (size_t)s->kid[0]->n : names || s->kind == AST_fn;
	}
	return n;
}

static Value
call_fn(Interp *I, Env *caller, const Fn *f, const Ast *call, Args *g, Span at, const char *name)
{
	const Ast *formals = f->decl->kid[0];
	const char *what = f->decl->name ? f->decl->name : "this function";
	const char *formal[ELAB_MAX_FORMALS];
	Env *e = env_sized(I->a, f->env, true, names_of_call(f->decl));
	bool block = f->decl->kind == AST_block, ok = true;

	if (formals->n > ELAB_MAX_FORMALS)
		return fail(I, formals->span, "limit", "%s has more than %d arguments", what, ELAB_MAX_FORMALS);
	for (int i = 0; i < formals->n; i++)
		formal[i] = formals->kid[i]->name;
	if (block && (!I->g || I->warp || I->body))
		return fail(I, at, "place", "%s is a block: it can be called inside an entry only", what);
	if (!place_args(I, g, what, formal, formals->n, false, at))
		return V(ERROR);

	for (int i = 0; i < g->n; i++) {
		const Ast *fm = formals->kid[g->to[i]], *type = fm->kid[0];
		const Ast *a = g->ast[i] && g->named[i] ? g->ast[i]->kid[0] : g->ast[i];

		if (a && a->kind == AST_name && takes_words(type)) {
			g->v[i] = word_of(I, caller, type->kind == AST_type_of ? type : NULL, a);
		} else if (a) {
			g->v[i] = eval(I, caller, a, NULL);
		}
		ok &= g->v[i].kind != V_ERROR;
	}
	if (!ok || I->stop)
		return V(ERROR);
	if (I->calls >= ELAB_MAX_CALLS)
		return give_up(I, at, "calls are nested more than %d deep", ELAB_MAX_CALLS);

	for (int i = 0; i < formals->n; i++) {
		const Ast *fm = formals->kid[i], *type = fm->kid[0], *def = fm->kid[1];
		int k = 0;
		Value v;
		Span from = at;

		while (k < g->n && g->to[k] != i)
			k++;
		if (k < g->n) {
			v = g->v[k];
			if (g->ast[k])
				from = g->ast[k]->span;
		} else if (def) {
			v = takes_words(type) && def->kind == AST_name
			    ? word_of(I, I->builtin, type->kind == AST_type_of ? type : NULL, def) : eval(I, e, def, NULL);
			from = def->span;
		} else {
			v = fail(I, at, "argument", "%s: %s is missing", what, fm->name);
			note(I, fm->span, "it is declared here");
		}
		bool none = v.kind == V_NONE && def && def->kind == AST_name && same(def->name, "none");

		if (type && !none && !fits_plainly(type, v) && !fit_type(I, e, type, &v, from, arena_printf(I->a, "%s: %s", what, fm->name)))
			ok = false;
		ok &= v.kind != V_ERROR;
		env_add(I->a, e, (Var){ fm->name, fm->hash, fm->span, v });
	}
	if (!ok)
		return V(ERROR);

	Value v;

	I->calls++;
	v = block ? run_block(I, f, e, g, formal, at, name) : run_fn(I, f, e, name);
	I->calls--;
	(void)call;
	return v;
}

/* `kind: max`: the word itself, whatever it may be bound to */
static Value
word(const Ast *a)
{
	return V(SYMBOL, .s = a->name);
}

static Value
call_primitive(Interp *I, Env *e, const Prim *p, const Ast *call, Args *g, Span at)
{
	const char *formal[PRIM_MAX];
	bool rest = p->n && p->f[p->n - 1].rest;
	PrimCall c = { .prim = p, .env = e, .call = call, .at = at };
	VEC(Value) more = { 0 };

	for (int i = 0; i < p->n; i++)
		formal[i] = p->f[i].name;
	for (int i = 0; i < PRIM_MAX; i++)
		c.arg[i] = V(NONE);
	if (!place_args(I, g, p->name, formal, p->n, rest, at))
		return V(ERROR);
	for (int i = 0; i < g->n; i++) {
		const Ast *a = g->ast[i] && g->named[i] ? g->ast[i]->kid[0] : g->ast[i];
		const PrimFormal *f = &p->f[g->to[i]];

		if (f->kind == 'w')     /* words are not evaluated: order(cv1, cv2) reads c.call */
			continue;
		Value axis = a && (f->kind == 'a' || f->kind == 'A') ? axis_word(I, e, c.arg, PRIM_MAX, a) : V(NONE);

		if (axis.kind == V_NONE && more.n && (f->kind == 'a' || f->kind == 'A'))
			axis = axis_word(I, e, more.p, more.n, a);
		if (axis.kind != V_NONE)
			g->v[i] = axis;
		else if (a)
			g->v[i] = f->kind == 's' && a->kind == AST_name ? word(a) : eval(I, e, a, NULL);
		if (g->v[i].kind == V_ERROR)
			return V(ERROR);
		if (f->rest && !g->named[i])
			vec_push(I->a, &more, g->v[i]);
		else
			c.arg[g->to[i]] = g->v[i];
	}
	if (rest && more.n)
		c.arg[p->n - 1] = value_items(I->a, V_LIST, more.p, more.n);
	return call_prim(I, &c);
}

static Value
call_any(Interp *I, Env *e, Value fn, const Ast *call, const Value *given, size_t ngiven, Span at, const char *name)
{
	Args *g = I->args;
	Value v = V(ERROR);

	if (fn.kind == V_ERROR)
		return fn;
	for (size_t i = 0; i < ngiven; i++)
		if (given[i].kind == V_ERROR)
			return V(ERROR);
	if (fn.kind != V_FN && fn.kind != V_PRIM)
		return fail(I, at, "call", "%s is %s and cannot be called", show(I, fn), value_kind(fn));
	if (g)
		I->args = g->next;
	else
		g = NEW(I->a, Args);
	if (gather_args(I, call, given, ngiven, g))
		v = fn.kind == V_FN ? call_fn(I, e, fn.fn, call, g, at, name) : call_primitive(I, e, fn.prim, call, g, at);
	g->next = I->args;              /* as many are made as calls are nested, not as there are calls */
	I->args = g;
	return v;
}

Value
call_value(Interp *I, Value fn, const Ast *at, const Value *arg, size_t n)
{
	return call_any(I, I->builtin, fn, NULL, arg, n, at->at, NULL);
}

/* ---- pipelines ------------------------------------------------------------------------------------ */

static const Ast *
stage_call(const Ast *stage)
{
	return stage->kind == AST_as ? stage->kid[0] : stage;
}

static Value
stage_callee(Interp *I, Env *e, const Ast *stage)
{
	const Ast *a = stage_call(stage);

	return eval(I, e, a->kind == AST_call ? a->kid[0] : a, NULL);
}

/* With more than one block in it, a pipeline numbers them: mlp.0, mlp.1. */
static Value
eval_pipe(Interp *I, Env *e, const Ast *a, const char *name)
{
	Value x = eval(I, e, a->kid[0], NULL);
	size_t blocks = 0, nth = 0;

	for (int i = 1; i < a->n; i++)
		blocks += value_is_block(stage_callee(I, e, a->kid[i]));
	for (int i = 1; i < a->n && !I->stop; i++) {
		const Ast *stage = a->kid[i], *call = stage_call(stage);
		Value fn = stage_callee(I, e, stage);
		const char *nm = stage->kind == AST_as ? stage->name : name;

		if (value_is_block(fn) && blocks > 1 && stage->kind != AST_as)
			nm = name_item(I, name, nth);
		nth += value_is_block(fn);
		x = call_any(I, e, fn, call, &x, 1, call->at, nm);
		if (stage->kind == AST_as)
			assign(I, e, stage->name, x, stage->at);
		if (x.kind == V_ERROR) {
			/* later names exist all the same, so that they are not reported */
			for (i++; i < a->n; i++)
				if (a->kid[i]->kind == AST_as)
					assign(I, e, a->kid[i]->name, x, a->kid[i]->at);
		}
	}
	return x;
}

/* ---- lists, subscripts, fields ----------------------------------------------------------------------- */

static Value
eval_items(Interp *I, Env *e, const Ast *a, const char *name)
{
	Value *p = NEWN(I->a, Value, (size_t)a->n + 1);
	bool ok = true;

	for (int i = 0; i < a->n; i++) {
		p[i] = eval(I, e, a->kid[i], name ? name_item(I, name, (size_t)i) : NULL);
		ok &= p[i].kind != V_ERROR;
	}
	return ok ? value_items(I->a, a->kind == AST_list ? V_LIST : V_TUPLE, p, (size_t)a->n) : V(ERROR);
}

static int64_t
turns(Interp *I, Value v, Span at)
{
	int64_t n = v.kind == V_STR ? -1 : value_len(v);

	if (v.kind == V_ERROR)
		return -1;
	if (n < 0)
		fail(I, at, "type", "a loop goes over a list, a tuple or a range, not over %s", value_kind(v));
	if (n > ELAB_MAX_ITEMS) {
		give_up(I, at, "a loop takes more than %d turns", ELAB_MAX_ITEMS);
		return -1;
	}
	return n;
}

static Value
eval_comp(Interp *I, Env *e, const Ast *a, const char *name)
{
	Value it = eval(I, e, a->kid[2], NULL);
	int64_t n = turns(I, it, a->kid[2]->span);
	VEC(Value) p = { 0 };
	bool ok = n >= 0;

	for (int64_t i = 0; i < n && !I->stop; i++) {
		Env *in = env_sized(I->a, e, false, 2);

		destructure(I, in, a->kid[1], value_at(it, (size_t)i), true);
		if (a->kid[3]) {
			Value c = eval(I, in, a->kid[3], NULL);

			if (c.kind != V_BOOL) {
				if (c.kind != V_ERROR)
					fail(I, a->kid[3]->span, "type", "a condition is a bool, not %s", value_kind(c));
				return V(ERROR);
			}
			if (!c.b)
				continue;
		}
		Value v = eval(I, in, a->kid[0], name ? name_item(I, name, p.n) : NULL);

		ok &= v.kind != V_ERROR;
		vec_push(I->a, &p, v);
	}
	return ok ? value_items(I->a, V_LIST, p.p, p.n) : V(ERROR);
}

static Value
eval_range(Interp *I, Env *e, const Ast *a)
{
	Value end[2] = { V(INT, .i = 0), V(INT, .i = INT64_MAX) };

	for (int i = 0; i < 2; i++) {
		if (!a->kid[i])
			continue;
		end[i] = eval(I, e, a->kid[i], NULL);
		if (end[i].kind == V_ERROR)
			return end[i];
		if (end[i].kind != V_INT)
			return fail(I, a->kid[i]->span, "type", "the ends of a range are ints, not %s", show(I, end[i]));
	}
	return (Value){ .kind = V_RANGE, .i = end[0].i, .hi = end[1].i };
}

static Value
list_index(Interp *I, Value x, Value sub, const Ast *at)
{
	int64_t n = value_len(x);

	if (sub.kind == V_RANGE) {
		int64_t lo = sub.i < 0 ? sub.i + n : sub.i, hi = sub.hi < 0 ? sub.hi + n : MIN(sub.hi, n);

		if (lo < 0 || hi < lo || hi > n)
			return fail(I, at->span, "index", "%s does not lie in a list of %lld", show(I, sub), (long long)n);
		if (x.kind == V_RANGE)
			return (Value){ .kind = V_RANGE, .i = x.i + lo, .hi = x.i + hi };
		return value_items(I->a, x.kind, x.items->p + lo, (size_t)(hi - lo));
	}
	if (sub.kind != V_INT)
		return fail(I, at->span, "type", "an index is an int or a range, not %s", value_kind(sub));

	int64_t i = sub.i < 0 ? sub.i + n : sub.i;

	if (i < 0 || i >= n)
		return fail(I, at->span, "index", "index %lld of a list of %lld", (long long)sub.i, (long long)n);
	return value_at(x, (size_t)i);
}

static Value
eval_index(Interp *I, Env *e, const Ast *a)
{
	Value x = eval(I, e, a->kid[0], NULL);
	Value *sub = NEWN(I->a, Value, (size_t)a->n);
	size_t n = (size_t)a->n - 1;

	for (size_t i = 0; i < n; i++)
		if ((sub[i] = eval(I, e, a->kid[i + 1], NULL)).kind == V_ERROR)
			return V(ERROR);
	if (x.kind == V_ERROR)
		return x;
	if (x.kind == V_TENSOR)
		return tensor_index(I, x, sub, n, a);
	if (x.kind != V_LIST && x.kind != V_TUPLE && x.kind != V_RANGE)
		return fail(I, a->at, "type", "%s has no items", value_kind(x));
	if (n != 1)
		return fail(I, a->at, "index", "a list takes one index, not %zu", n);
	return list_index(I, x, sub[0], a->kid[1]);
}

static Value
open_side(Interp *I, const Type *t, Span at)
{
	return fail(I, at, "shape", "the sides of %s are known only when it runs", type_text(I->a, t));
}

static Value
tensor_field(Interp *I, Value x, const Ast *a)
{
	static const struct { const char *name; int axis; } side[] = {
		{ "batch", 0 }, { "channels", 1 }, { "height", 2 }, { "width", 3 },
	};
	static const char *const names[] = { "batch", "channels", "height", "width", "shape", "rank", "dtype" };
	const Type *t = type_at(I, x);

	if (body_is_int(I, x) && (!strcmp(a->name, "y") || !strcmp(a->name, "x")))
		return body_place(I, x, a->name[0] == 'x', a->at);
	for (size_t i = 0; i < COUNT(side); i++)
		if (!strcmp(a->name, side[i].name)) {
			if (t->rank < 2 || side[i].axis >= t->rank)
				return fail(I, a->at, "field", "%s has no %s: a picture of features is [batch, channels, height, width]",
				            type_text(I->a, t), a->name);
			if (t->dim[side[i].axis] < 0)
				return open_side(I, t, a->at);
			return V(INT, .i = t->dim[side[i].axis]);
		}
	if (!strcmp(a->name, "shape")) {
		Value d[MAX_RANK];

		for (int i = 0; i < t->rank; i++) {
			if (t->dim[i] < 0)
				return open_side(I, t, a->at);
			d[i] = V(INT, .i = t->dim[i]);
		}
		return value_items(I->a, V_TUPLE, d, (size_t)t->rank);
	}
	if (!strcmp(a->name, "rank"))
		return V(INT, .i = t->rank);
	if (!strcmp(a->name, "dtype"))
		return V(DTYPE, .dt = t->dt);

	const char *near = did_you_mean(a->name, names, COUNT(names));

	return fail(I, a->at, "field", near ? "a tensor has no %s; did you mean %s?"
	            : "a tensor has no %s; it has batch, channels, height, width, shape, rank and dtype", a->name, near);
}

static Value
eval_field(Interp *I, Env *e, const Ast *a)
{
	Value x = eval(I, e, a->kid[0], NULL);

	if (x.kind == V_ERROR)
		return x;
	if (x.kind == V_TENSOR)
		return tensor_field(I, x, a);
	if (x.kind == V_TUPLE && x.items->name) {
		for (size_t i = 0; i < x.items->n; i++)
			if (x.items->name[i] && !strcmp(x.items->name[i], a->name))
				return x.items->p[i];
		const char *near = did_you_mean(a->name, x.items->name, x.items->n);

		return fail(I, a->at, "field", near ? "there is no %s; did you mean %s?" : "there is no %s",
		            a->name, near);
	}
	return fail(I, a->at, "field", "%s has no fields", value_kind(x));
}

/* ---- conditions ------------------------------------------------------------------------------------------ */

/* 1 yes, 0 no, -1 reported */
static int
truth(Interp *I, Value c, const Ast *a, const char *what)
{
	if (c.kind == V_BOOL)
		return c.b;
	if (c.kind == V_TENSOR)
		fail(I, a->span, "type", "%s needs a bool known at compile time, not a tensor; select(c, a, b) chooses elements", what);
	else if (c.kind != V_ERROR)
		fail(I, a->span, "type", "%s needs a bool, not %s", what, value_kind(c));
	return -1;
}

static Value
eval_if(Interp *I, Env *e, const Ast *a, const char *name)
{
	int c = truth(I, eval(I, e, a->kid[0], NULL), a->kid[0], "if");

	if (c < 0)
		return V(ERROR);
	if (c)
		return run_body(I, env_new(I->a, e, false), a->kid[1], name);
	if (a->n > 2 && a->kid[2])
		return a->kid[2]->kind == AST_if ? eval(I, e, a->kid[2], name)
		                                 : run_body(I, env_new(I->a, e, false), a->kid[2], name);
	return V(NONE);
}

static int
matches(Interp *I, Env *e, const Ast *pat, Value v)
{
	switch (pat->kind) {
	case AST_any:
		return 1;
	case AST_alt:
		for (int i = 0; i < pat->n; i++) {
			int m = matches(I, e, pat->kid[i], v);

			if (m)
				return m;
		}
		return 0;
	case AST_tuple:
		if ((v.kind != V_TUPLE && v.kind != V_LIST) || (int)v.items->n != pat->n)
			return 0;
		for (int i = 0; i < pat->n; i++) {
			int m = matches(I, e, pat->kid[i], v.items->p[i]);

			if (m != 1)
				return m;
		}
		return 1;
	case AST_name:
		if (v.kind == V_SYMBOL || v.kind == V_STR) {
			if (v.kind == V_SYMBOL && v.choices && symbol(I, v.choices, pat).kind == V_ERROR)
				return -1;
			return !strcmp(v.s, pat->name);
		}
		if (!strcmp(pat->name, "none"))
			return v.kind == V_NONE;
		if (v.kind == V_NONE)
			return 0;
		env_def(I->a, e, pat->name, v, pat->span);
		return 1;
	default: {
		Value w = eval(I, e, pat, NULL);

		if (w.kind == V_ERROR)
			return -1;
		if (w.kind == V_RANGE)
			return is_number(v) && arith_in(I, v, w, pat->span).b;
		return value_eq(v, w);
	}
	}
}

static Value
eval_match(Interp *I, Env *e, const Ast *a, const char *name)
{
	Value v = eval(I, e, a->kid[0], NULL);
	bool bad = v.kind == V_ERROR;
	const Ast *hit = NULL;
	Env *with = NULL;

	for (int i = 1; i < a->n && !bad; i++) {
		if (a->kid[i]->kind != AST_arm)
			continue;

		Env *in = env_new(I->a, e, false);
		int m = matches(I, in, a->kid[i]->kid[0], v);

		bad = m < 0;
		if (m > 0 && !hit) {
			hit = a->kid[i]->kid[1];
			with = in;
			/* the arms of a symbol are all looked at, for slips in their names */
			if (v.kind != V_SYMBOL)
				break;
		}
	}
	if (bad)
		return V(ERROR);
	if (!hit)
		return fail(I, a->at, "match", "no arm takes %s", show(I, v));
	return hit->kind == AST_body ? run_body(I, with, hit, name) : eval(I, with, hit, name);
}

/* ---- statements -------------------------------------------------------------------------------------------- */

static Value
run_return(Interp *I, Env *e, const Ast *a)
{
	Value *p = NEWN(I->a, Value, (size_t)a->n + 1);
	const char **names = NEWN(I->a, const char *, (size_t)a->n + 1);
	bool ok = true, named = false;

	for (int i = 0; i < a->n; i++) {
		bool arg = a->kid[i]->kind == AST_arg;

		p[i] = eval(I, e, arg ? a->kid[i]->kid[0] : a->kid[i], a->n == 1 && !arg ? I->ret_name : NULL);
		names[i] = arg ? a->kid[i]->name : NULL;
		named |= arg;
		ok &= p[i].kind != V_ERROR;
	}
	if (!ok) {
		I->ret = V(ERROR);
	} else if (a->n == 1 && !named) {
		I->ret = p[0];
	} else if (a->n == 0) {
		I->ret = V(NONE);
	} else {
		I->ret = value_items(I->a, V_TUPLE, p, (size_t)a->n);
		if (named)
			((Items *)I->ret.items)->name = names;
	}
	I->returned = true;
	return I->ret;
}

static void
run_for(Interp *I, Env *e, const Ast *a)
{
	Value it = eval(I, e, a->kid[1], NULL);
	int64_t n = turns(I, it, a->kid[1]->span);

	if (n < 0)
		return;
	vec_push(I->a, &I->loop, 0);

	size_t depth = I->loop.n;

	for (int64_t i = 0; i < n && !I->returned && !I->stop; i++) {
		Env *in = env_sized(I->a, e, false, 4);

		I->loop.p[depth - 1] = i;
		destructure(I, in, a->kid[0], value_at(it, (size_t)i), true);
		run_body(I, in, a->kid[2], NULL);
	}
	I->loop.n = depth - 1;
}

static Value
run_layers(Interp *I, Env *e, const Ast *a, const char *name)
{
	Scope *outer = I->scope, *s;
	Value v;

	if (!I->g || I->warp || I->body)
		return fail(I, a->span, "place", "layers belong into an entry, or a function that an entry calls");
	if (a->name && *a->name && !path_ok(I, a->name, a->at))
		return V(ERROR);
	s = a->name && *a->name ? scope_at(I, outer, a->name) : outer;
	if (s->laid == I->run)
		return fail(I, a->span, "twice", "the layers \"%s\" are made twice", s->path);
	s->laid = I->run;
	s->next = 0;
	I->scope = s;
	v = run_body(I, e, a->kid[0], name);
	I->scope = outer;
	s->next = -1;
	return v;
}

static void
run_assert(Interp *I, Env *e, const Ast *a)
{
	const Ast *c = a->kid[0];
	const char *why = "assertion failed";

	if (a->n > 1 && a->kid[1]) {
		Value m = eval(I, e, a->kid[1], NULL);

		if (m.kind == V_STR)
			why = m.s;
	}
	if (c->kind == AST_binary && c->op != AOP_and && c->op != AOP_or) {
		Value x = eval(I, e, c->kid[0], NULL), y = eval_beside(I, e, c->kid[1], x);

		if (truth(I, arith(I, c->op, x, y, c->at), c, "assert") == 0)
			fail(I, c->span, "assert", "%s (%s %s %s does not hold)", why, show(I, x), ast_op_text(c->op), show(I, y));
		else
			return;
	} else if (truth(I, eval(I, e, c, NULL), c, "assert") == 0) {
		fail(I, c->span, "assert", "%s", why);
	} else {
		return;
	}
	/* what a function was promised and did not get leads to nothing but more mistakes */
	if (I->calls) {
		I->returned = true;
		I->ret = V(ERROR);
	}
}

static void
run_check(Interp *I, Env *e, const Ast *a)
{
	Value v = eval(I, e, a->kid[0], NULL);

	if (v.kind == V_ERROR)
		return;
	if (v.kind != V_TENSOR)
		fail(I, a->kid[0]->span, "type", "check shape takes a tensor, not %s", value_kind(v));
	else if (match_shape(I, e, a->kid[1], type_at(I, v), a->kid[0]->span,
	                     a->kid[0]->kind == AST_name ? a->kid[0]->name : "this"))
		name_axes(I, e, v, a->kid[1]);
}

static Value
run_statement(Interp *I, Env *e, const Ast *s, const char *name)
{
	switch (s->kind) {
	case AST_fn: case AST_block: {
		Fn *f = NEW(I->a, Fn);

		*f = (Fn){ s, e };
		env_def(I->a, e, s->name, V(FN, .fn = f), s->at);
		return V(NONE);
	}
	case AST_entry:
		if (I->g) {
			fail(I, s->at, "place", "an entry is declared in a model");
			return V(NONE);
		}
		I->entry = memcpy(NEWN(I->a, const Ast *, I->nentry + 1), I->entry ? I->entry : &s,
		                  I->nentry * sizeof(*I->entry));
		I->entry[I->nentry++] = s;
		return V(NONE);
	case AST_let: case AST_bind: {
		Value v = eval(I, e, s->kid[1], s->kind == AST_bind && s->kid[0]->kind == AST_name ? s->kid[0]->name : NULL);

		destructure(I, e, s->kid[0], v, s->kind == AST_let);
		return V(NONE);
	}
	case AST_for:
		run_for(I, e, s);
		return V(NONE);
	case AST_return:
		return run_return(I, e, s);
	case AST_assert:
		run_assert(I, e, s);
		return V(NONE);
	case AST_check:
		run_check(I, e, s);
		return V(NONE);
	case AST_layers:
		return run_layers(I, e, s, name);
	default:
		return eval(I, e, s, name);
	}
}

/* The value of a body is its last statement's. */
Value
run_body(Interp *I, Env *e, const Ast *body, const char *name)
{
	Value v = V(NONE);

	if (body->kind != AST_body)
		return eval(I, e, body, name);
	for (int i = 0; i < body->n && !I->returned && !I->stop; i++)
		v = run_statement(I, e, body->kid[i], i + 1 == body->n ? name : NULL);
	return I->stop ? V(ERROR) : v;
}

/* ---- expressions ---------------------------------------------------------------------------------------------- */

static Value
eval_kind(Interp *I, Env *e, const Ast *a, const char *name)
{
	switch (a->kind) {
	case AST_int:
		return V(INT, .i = a->i);
	case AST_real:
		return V(REAL, .r = a->r);
	case AST_bool:
		return V(BOOL, .b = a->flag);
	case AST_string:
		return V(STR, .s = a->name);
	case AST_name: {
		Var *v = lookup(e, a);

		return v ? v->v : unknown_name(I, e, a);
	}
	case AST_list: case AST_tuple:
		return eval_items(I, e, a, name);
	case AST_comp:
		return eval_comp(I, e, a, name);
	case AST_range:
		return eval_range(I, e, a);
	case AST_unary:
		return eval_unary(I, e, a);
	case AST_binary:
		return eval_binary(I, e, a, name);
	case AST_call:
		return call_any(I, e, eval(I, e, a->kid[0], NULL), a, NULL, 0, a->at, name);
	case AST_index:
		return eval_index(I, e, a);
	case AST_field:
		return eval_field(I, e, a);
	case AST_lambda: case AST_fn: {
		Fn *f = NEW(I->a, Fn);

		*f = (Fn){ a, e };
		return V(FN, .fn = f);
	}
	case AST_pipe:
		return eval_pipe(I, e, a, name);
	case AST_as: {
		Value v = eval(I, e, a->kid[0], a->name);

		assign(I, e, a->name, v, a->at);
		return v;
	}
	case AST_if:
		return eval_if(I, e, a, name);
	case AST_match:
		return eval_match(I, e, a, name);
	case AST_param: case AST_buffer:
		return make_param(I, e, a, name);
	case AST_body:
		return run_body(I, env_new(I->a, e, false), a, name);
	case AST_error:
		return V(ERROR);
	default:
		return fail(I, a->span, "place", "a %s has no value here", ast_kind_name(a->kind));
	}
}

Value
eval(Interp *I, Env *e, const Ast *a, const char *name)
{
	Value v;

	if (!spend(I, 1, a->span))
		return V(ERROR);
	if (I->nest >= ELAB_MAX_NEST)
		return give_up(I, a->span, "expressions are nested more than %d deep, over all calls", ELAB_MAX_NEST);
	I->nest++;
	v = eval_kind(I, e, a, name);
	I->nest--;
	if (I->body)
		v = capture(I, v, a->kind == AST_name ? a->name : NULL);
	if (v.kind == V_LIST || v.kind == V_TUPLE) {
		if (v.items->depth > ELAB_MAX_DEPTH)
			return give_up(I, a->span, "lists are nested more than %d deep", ELAB_MAX_DEPTH);
		if (v.items->values > ELAB_MAX_VALUES)
			return give_up(I, a->span, "a list holds more than %d values in all", ELAB_MAX_VALUES);
	}
	return v;
}
