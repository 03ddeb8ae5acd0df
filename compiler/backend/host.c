/* host.c -- kernels to machine code for CPUs: hooks, LLVM's passes, threads, the blob.
 *
 *     kernels -- key --> cache --------------------------> pieces -- put side by side --> blob
 *                  `-> emit, passes, codegen, link --^
 *
 * Each kernel is a module of its own, so that each can be compiled by any thread, kept by itself in the
 * cache, and two layers of the same shape compile once.  Threads take kernels from the largest down.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cache.h"
#include "backend/link.h"
#include "backend/machine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LOCAL_MAX = 8 << 20,            /* bytes of local buffers: they lie on a stack, of 16 MiB in the pool */
	THREADS_MAX = 64,
	PIECE_ALIGN = 64,
};

const char *
backend_version(void)
{
	return "1 llvm " LLVM_VERSION_STRING;
}

/* ---- hooks -------------------------------------------------------------------------- */

static void
begin(Emit *e, const char *name)
{
	LLVMTypeRef ptr = LLVMPointerTypeInContext(e->cx, 0), i64 = LLVMInt64TypeInContext(e->cx);
	LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(e->cx), (LLVMTypeRef[]){ ptr, ptr }, 2, false);
	unsigned invariant = LLVMGetMDKindIDInContext(e->cx, "invariant.load", 14);
	char width[16];
	uint64_t local = 0;

	e->fn = LLVMAddFunction(e->m, name, type);
	emit_attr(e, "nounwind");
	emit_attr_str(e, "no-builtins", "");
	emit_attr_str(e, "target-cpu", e->t->cpu);
	emit_attr_str(e, "target-features", e->t->features);
	snprintf(width, sizeof width, "%d", 8 * e->t->vector_bytes);
	emit_attr_str(e, "min-legal-vector-width", width);
	emit_attr_str(e, "prefer-vector-width", width);
	e->entry = LLVMAppendBasicBlockInContext(e->cx, e->fn, "entry");
	LLVMPositionBuilderAtEnd(e->b, e->entry);

	for (unsigned i = 0; i < e->k->buf.n; i++) {
		const KBuf *m = &e->k->buf.p[i];
		LVal at = LLVMConstInt(i64, i, false);

		if (m->space == KSPACE_SHARED) {
			emit_error(e, "buffer %s is shared, and a host has no blocks of threads", m->name);
		} else if (m->space == KSPACE_LOCAL) {
			local += (uint64_t)m->count * (uint64_t)dtype_info[m->dt].bytes;
			if (local > LOCAL_MAX)
				emit_error(e, "local buffers take more than %d bytes of the stack", LOCAL_MAX);
		} else {
			e->buf[i] = LLVMBuildLoad2(e->b, ptr,
				LLVMBuildInBoundsGEP2(e->b, ptr, LLVMGetParam(e->fn, 0), &at, 1, ""), m->name);
			LLVMSetMetadata(e->buf[i], invariant, emit_metadata(e, NULL, 0));
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		LVal at = LLVMConstInt(i64, i, false);

		e->task[i] = LLVMConstNull(i64);
		if (e->k->grid[i] <= 1)
			continue;
		e->task[i] = LLVMBuildLoad2(e->b, i64,
			LLVMBuildInBoundsGEP2(e->b, i64, LLVMGetParam(e->fn, 1), &at, 1, ""), kaxis_name[i]);
		LLVMSetMetadata(e->task[i], invariant, emit_metadata(e, NULL, 0));
	}
}

/* a task is one thread */
static LVal
axis(Emit *e, KAxis a)
{
	return a <= KAXIS_BLOCK_Z ? e->task[a] : LLVMConstNull(LLVMInt64TypeInContext(e->cx));
}

static EmitHooks
hooks_for(const Target *t)
{
	bool x86 = t->arch == ARCH_X86_64;

	return (EmitHooks){
		.begin = begin, .axis = axis, .ix_bits = 64, .reload = true,
		.fma = !x86 || t->level >= 3,
		.f16c = !x86 || t->level >= 3,
		.masked = x86 && t->level >= 4,
		.scalef = x86 && t->level >= 4,
	};
}

/* ---- many kernels ------------------------------------------------------------------------- */

/* PIC, so that constants are reached from the instruction; AArch64's tiny model reaches them
 * without pages, so that a piece may be moved by any distance. */
static const char *
host_machine(Machine *m, Arena *a, const Target *t)
{
	EmitHooks h = hooks_for(t);

	return machine_open(m, a, t, &h, LLVMRelocPIC,
	                    t->arch == ARCH_AARCH64 ? LLVMCodeModelTiny : LLVMCodeModelSmall);
}

static const char *
compile_one(Machine *m, const Kernel *k, Piece *out)
{
	const char *err;
	LLVMModuleRef mod = machine_module(m, k, "kernel", &err);
	LLVMMemoryBufferRef obj = NULL;

	if (!mod)
		return err;
	err = machine_optimize(m, mod);
	if (!err)
		err = machine_generate(m, mod, LLVMObjectFile, &obj);
	if (!err) {
		err = link_object(m->a, LLVMGetBufferStart(obj), LLVMGetBufferSize(obj), "kernel", out);
		if (err)
			err = arena_printf(m->a, "kernel %s: %s", k->name, err);
	}
	if (obj)
		LLVMDisposeMemoryBuffer(obj);
	LLVMDisposeModule(mod);
	return err;
}

typedef struct Job {
	const Kernel *k;
	char key[33];
	size_t insts;
	bool cached;
	Piece piece;
} Job;

typedef struct Pool {
	const Target *t;
	Job **todo;             /* largest first */
	size_t n;
	atomic_size_t next;
	atomic_bool stop;
} Pool;

typedef struct Worker {
	Pool *pool;
	Arena *a;               /* pieces and messages; freed by who started it */
	const char *err;
	pthread_t thread;
	bool started;
} Worker;

static void *
work(void *arg)
{
	Worker *w = arg;
	Pool *p = w->pool;
	Machine m;

	w->err = host_machine(&m, w->a, p->t);
	while (!w->err && !p->stop) {
		size_t i = p->next++;

		if (i >= p->n)
			break;
		w->err = compile_one(&m, p->todo[i]->k, &p->todo[i]->piece);
	}
	if (w->err)
		p->stop = true;
	machine_close(&m);
	return NULL;
}

static int
larger_first(const void *x, const void *y)
{
	const Job *a = *(Job *const *)x, *b = *(Job *const *)y;

	return a->insts != b->insts ? (a->insts < b->insts) - (a->insts > b->insts) : strcmp(a->key, b->key);
}

/* compiles todo[0 .. n), pieces into arena a */
static const char *
compile_all(Arena *a, const Target *t, Job **todo, size_t n, int threads)
{
	Pool pool = { .t = t, .todo = todo, .n = n };
	Worker w[THREADS_MAX];
	const char *err = NULL;

	if (threads <= 0)
		threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	threads = MAX(1, MIN(threads, MIN(THREADS_MAX, (int)MIN(n, THREADS_MAX))));
	qsort(todo, n, sizeof *todo, larger_first);
	for (int i = 0; i < threads; i++) {
		w[i] = (Worker){ .pool = &pool, .a = arena_new() };
		/* the last is this thread; one that cannot start is done without */
		if (i < threads - 1)
			w[i].started = pthread_create(&w[i].thread, NULL, work, &w[i]) == 0;
	}
	work(&w[threads - 1]);
	for (int i = 0; i < threads; i++) {
		if (w[i].started)
			pthread_join(w[i].thread, NULL);
		if (w[i].err && !err)
			err = arena_str(a, w[i].err);
	}
	for (size_t i = 0; i < n && !err; i++)
		todo[i]->piece.p = arena_dup(a, todo[i]->piece.p, todo[i]->piece.bytes);
	for (int i = 0; i < threads; i++)
		arena_free(w[i].a);
	return err;
}

bool
host_compile(Arena *a, const Target *t, Kernel *const *k, size_t n, const HostOptions *o, HostCode *out,
             const char **err)
{
	static const HostOptions usual;
	Arena *tmp = arena_new();
	Job *job = NEWN(tmp, Job, n + 1), **of = NEWN(tmp, Job *, n + 1), **todo = NEWN(tmp, Job *, n + 1);
	Map *seen = map_new(tmp);
	size_t ntodo = 0, at = 0;
	bool ok = false;

	if (!o)
		o = &usual;
	*out = (HostCode){ .entry = NEWN(a, size_t, n + 1), .cached = true };
	if (t->kind != TARGET_HOST) {
		*err = arena_printf(a, "%s is no host target", t->name);
		goto done;
	}
	for (size_t i = 0; i < n; i++) {
		Job *j = &job[i];

		j->k = k[i];
		cache_key(tmp, t, k[i], j->key);
		of[i] = map_get(seen, j->key);
		if (of[i])
			continue;
		of[i] = j;
		map_set(seen, j->key, j);
		if (o->cache_dir && cache_get(tmp, o->cache_dir, j->key, &j->piece)) {
			j->cached = true;
			continue;
		}
		if (!kernel_verify(k[i], err)) {
			*err = arena_str(a, *err);
			goto done;
		}
		j->insts = kernel_insts(k[i]);
		todo[ntodo++] = j;
	}
	if (ntodo > 0) {
		*err = compile_all(tmp, t, todo, ntodo, o->threads);
		if (*err) {
			*err = arena_str(a, *err);
			goto done;
		}
		out->cached = false;
		for (size_t i = 0; i < ntodo && o->cache_dir && !out->note; i++)
			out->note = cache_put(a, o->cache_dir, todo[i]->key, &todo[i]->piece);
	}
	/* place each distinct piece, then copy */
	size_t *place = NEWN(tmp, size_t, n + 1);
	for (size_t i = 0; i < n; i++) {
		size_t al = MAX(of[i]->piece.align, (size_t)PIECE_ALIGN);

		if (of[i] == &job[i]) {
			place[i] = (at + al - 1) & ~(al - 1);
			at = place[i] + of[i]->piece.bytes;
		}
		out->entry[i] = place[of[i] - job] + of[i]->piece.entry;
	}
	out->bytes = at;
	out->code = arena_alloc(a, at + 1);
	for (size_t i = 0; i < n; i++)
		if (of[i] == &job[i])
			memcpy((uint8_t *)out->code + place[i], of[i]->piece.p, of[i]->piece.bytes);
	ok = true;
done:
	arena_free(tmp);
	return ok;
}

char *
host_text(Arena *a, const Target *t, const Kernel *k, HostText what, const char **err)
{
	Arena *tmp = arena_new();
	Machine m = { 0 };
	LLVMModuleRef mod = NULL;
	LLVMMemoryBufferRef buf = NULL;
	char *out = NULL;

	*err = NULL;
	if (t->kind != TARGET_HOST)
		*err = arena_printf(tmp, "%s is no host target", t->name);
	else if (kernel_verify(k, err))
		*err = host_machine(&m, tmp, t);
	if (!*err)
		mod = machine_module(&m, k, k->name, err);
	if (!*err && what != HOST_TEXT_LL)
		*err = machine_optimize(&m, mod);
	if (!*err && what == HOST_TEXT_ASM) {
		*err = machine_generate(&m, mod, LLVMAssemblyFile, &buf);
		if (!*err)
			out = arena_strn(a, LLVMGetBufferStart(buf), LLVMGetBufferSize(buf));
	} else if (!*err) {
		char *text = LLVMPrintModuleToString(mod);

		out = arena_str(a, text);
		LLVMDisposeMessage(text);
	}
	if (*err)
		*err = arena_str(a, *err);
	if (buf)
		LLVMDisposeMemoryBuffer(buf);
	if (mod)
		LLVMDisposeModule(mod);
	machine_close(&m);
	arena_free(tmp);
	return out;
}
