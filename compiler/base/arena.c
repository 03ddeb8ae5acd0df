/* arena.c -- memory that is freed all at once, and the vectors that live in it.
 *
 *     chunk ──▶ chunk ──▶ chunk            each at least twice the one before,
 *     [used.....|  free ]                   up to 4 MiB; a large request gets
 *                                           a chunk of its own size
 *
 * A vector that is the arena's last allocation grows in place, so pushing to
 * one vector at a time copies nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { ALIGN = 16, FIRST = 16 << 10, LARGEST = 4 << 20, PAGE = 4 << 10, HUGE_PAGE = 2 << 20 };

typedef struct Chunk {
	struct Chunk *next;
	size_t used, cap;
	_Alignas(16) unsigned char p[];
} Chunk;

struct Arena {
	Chunk *top;             /* where the next small allocation goes */
	size_t bytes;
};

static _Noreturn void
out_of_memory(size_t size)
{
	fprintf(stderr, "yolo12c: out of memory (asked for %zu bytes)\n", size);
	exit(4);
}

Arena *
arena_new(void)
{
	Arena *a = calloc(1, sizeof(*a));

	if (!a)
		out_of_memory(sizeof(*a));
	return a;
}

void
arena_free(Arena *a)
{
	if (!a)
		return;
	for (Chunk *c = a->top, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

static Chunk *
grow(Arena *a, size_t size)
{
	size_t cap = a->top ? MIN(a->top->cap * 2, (size_t)LARGEST) : (size_t)FIRST;

	cap = MAX(cap, size);
	Chunk *c = cap > SIZE_MAX - sizeof(*c) ? NULL : calloc(1, sizeof(*c) + cap);
	if (!c)
		out_of_memory(size);
#ifdef MADV_HUGEPAGE
	/* Taking pages one at a time is a quarter of what elaborating costs. */
	if (cap >= HUGE_PAGE)
		madvise((void *)(((uintptr_t)c + PAGE - 1) & ~(uintptr_t)(PAGE - 1)), (cap - PAGE) & ~(size_t)(PAGE - 1), MADV_HUGEPAGE);
#endif
	c->cap = cap;
	/* A chunk made for one large request is full already; what is left of the
	 * old top stays useful below it only if the old top stays on top. */
	if (a->top && size == cap && a->top->cap - a->top->used > cap / 8) {
		c->next = a->top->next;
		a->top->next = c;
	} else {
		c->next = a->top;
		a->top = c;
	}
	return c;
}

void *
arena_alloc(Arena *a, size_t size)
{
	if (size > SIZE_MAX - ALIGN)
		out_of_memory(size);
	size = MAX((size + ALIGN - 1) & ~(size_t)(ALIGN - 1), (size_t)ALIGN);
	Chunk *c = a->top;
	if (!c || c->cap - c->used < size)
		c = grow(a, size);
	void *p = c->p + c->used;
	c->used += size;
	a->bytes += size;
	return p;
}

void *
arena_array(Arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory(SIZE_MAX);
	return arena_alloc(a, total);
}

void *
arena_dup(Arena *a, const void *p, size_t size)
{
	void *q = arena_alloc(a, size);

	if (size)
		memcpy(q, p, size);
	return q;
}

char *
arena_strn(Arena *a, const char *s, size_t n)
{
	if (n == SIZE_MAX)
		out_of_memory(n);
	char *q = arena_alloc(a, n + 1);
	if (n)
		memcpy(q, s, n);
	return q;
}

char *
arena_str(Arena *a, const char *s)
{
	return arena_strn(a, s, strlen(s));
}

char *
arena_vprintf(Arena *a, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	char *s = arena_alloc(a, n < 0 ? 1 : (size_t)n + 1);
	if (n > 0)
		vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *
arena_printf(Arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}

size_t
arena_bytes(const Arena *a)
{
	return a->bytes;
}

/* p, of old bytes, is the last thing handed out and its chunk has room */
static bool
extend(Arena *a, void *p, size_t old, size_t size)
{
	Chunk *c = a->top;

	old = (old + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!p || !c || size > SIZE_MAX - ALIGN || old > c->used ||
	    (unsigned char *)p != c->p + (c->used - old))
		return false;
	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (size - old > c->cap - c->used)
		return false;
	c->used += size - old;
	a->bytes += size - old;
	return true;
}

void
vec_grow_(Arena *a, void **p, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return;
	size_t n = MAX(need, *cap > SIZE_MAX / 2 ? SIZE_MAX : *cap * 2), total;
	n = MAX(n, (size_t)8);
	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory(SIZE_MAX);
	if (!extend(a, *p, *cap * size, total)) {
		void *q = arena_alloc(a, total);
		if (*cap)
			memcpy(q, *p, *cap * size);
		*p = q;
	}
	*cap = n;
}
