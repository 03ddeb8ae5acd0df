/* host.c -- kernels to machine code for CPUs: hooks, the way of one kernel, the blob.
 *
 *     kernels -- pool_compile: emit, passes, codegen, link --> pieces -- put side by side --> blob
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/link.h"
#include "backend/pool.h"

enum {
	LOCAL_MAX = 8 << 20,            /* bytes of local buffers: they lie on a stack, of 16 MiB in the pool */
	PIECE_ALIGN = 64,
};

const char *
backend_version(void)
{
	return "2 llvm " LLVM_VERSION_STRING;
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
compile_one(Machine *m, const Kernel *k, const char *salt, Piece *out)
{
	(void)salt;
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

bool
host_compile(Arena *a, const Target *t, Kernel *const *k, size_t n, const HostOptions *o, HostCode *out,
             const char **err)
{
	static const HostOptions usual;
	static const PoolWork host_work = { host_machine, compile_one, "" };
	size_t *place = NEWN(a, size_t, n + 1), at = 0;
	PoolResult r;

	if (!o)
		o = &usual;
	*out = (HostCode){ .entry = NEWN(a, size_t, n + 1) };
	if (t->kind != TARGET_HOST) {
		*err = arena_printf(a, "%s is no host target", t->name);
		return false;
	}
	if (!pool_compile(a, t, &host_work, k, n, o->threads, o->cache_dir, &r, err))
		return false;
	out->cached = r.cached;
	out->note = r.note;
	/* place each distinct piece, then copy */
	for (size_t i = 0; i < n; i++) {
		size_t al = MAX(r.piece[i].align, (size_t)PIECE_ALIGN);

		if (r.same[i] == i) {
			place[i] = (at + al - 1) & ~(al - 1);
			at = place[i] + r.piece[i].bytes;
		}
		out->entry[i] = place[r.same[i]] + r.piece[i].entry;
	}
	out->bytes = at;
	out->code = arena_alloc(a, at + 1);
	for (size_t i = 0; i < n; i++)
		if (r.same[i] == i)
			memcpy((uint8_t *)out->code + place[i], r.piece[i].p, r.piece[i].bytes);
	return true;
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
