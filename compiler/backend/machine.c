/* machine.c -- one thread's LLVM: a context, a target machine, and the passes between.
 *
 * Kernels arrive blocked, unrolled and vectorised: what is left for LLVM is to make SSA, join
 * equal address computations, hoist what loops do not change, select instructions, schedule and
 * allocate registers.  So the pipeline is short.  A convolution tile of 14 x 32 on AVX-512 (one
 * core of an EPYC 9004, ms):
 *
 *                     passes   codegen    GFLOP/s (peak 118)
 *     this               0.9       6.5    115
 *     with LSR           0.9       9.8    115
 *     default<O1>       10.9       6.5    115
 *     default<O2>       13.0       6.5    115
 *
 * All 159 kernels of YOLOv12-n: 1.3 s of processor time, in as many threads as there are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/machine.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <pthread.h>

static const char host_passes[] = "function(sroa,early-cse,simplifycfg,loop-mssa(licm),dce)";

/* Fragments of registers go in and out of vectors, which instcombine undoes; what it leaves equal, gvn joins.
 * ptxas schedules and unrolls itself. */
static const char gpu_passes[] =
	"function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,loop-mssa(licm),gvn,instcombine<no-verify-fixpoint>,"
	"simplifycfg,loop-mssa(licm),early-cse,dce)";

static void
start_llvm(void)
{
	/* its rewriting of addresses costs a third of the time, and kernels' addresses are as they should be */
	static const char *const options[] = { "yolo12c", "-disable-lsr" };

	LLVMParseCommandLineOptions(COUNT(options), options, NULL);
	LLVMInitializeX86TargetInfo();
	LLVMInitializeX86Target();
	LLVMInitializeX86TargetMC();
	LLVMInitializeX86AsmPrinter();
	LLVMInitializeAArch64TargetInfo();
	LLVMInitializeAArch64Target();
	LLVMInitializeAArch64TargetMC();
	LLVMInitializeAArch64AsmPrinter();
	LLVMInitializeNVPTXTargetInfo();
	LLVMInitializeNVPTXTarget();
	LLVMInitializeNVPTXTargetMC();
	LLVMInitializeNVPTXAsmPrinter();
}

static void
on_diagnostic(LLVMDiagnosticInfoRef info, void *ctx)
{
	Machine *m = ctx;
	char *text;

	if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || m->diag)
		return;
	text = LLVMGetDiagInfoDescription(info);
	m->diag = arena_str(m->a, text);
	LLVMDisposeMessage(text);
}

/* a message of LLVM's, moved into the arena */
static const char *
message(Machine *m, char *text)
{
	const char *s = arena_printf(m->a, "LLVM: %s", text ? text : "no reason given");

	LLVMDisposeMessage(text);
	return s;
}

const char *
machine_open(Machine *m, Arena *a, const Target *t, const EmitHooks *h, LLVMRelocMode reloc, LLVMCodeModel model)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	LLVMTargetRef target;
	char *text = NULL;

	*m = (Machine){ .a = a, .t = t, .hooks = *h };
	pthread_once(&once, start_llvm);
	if (LLVMGetTargetFromTriple(t->triple, &target, &text))
		return message(m, text);
	m->tm = LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features,
	                                t->kind == TARGET_GPU ? LLVMCodeGenLevelAggressive : LLVMCodeGenLevelDefault,
	                                reloc, model);
	if (!m->tm)
		return arena_printf(a, "LLVM makes no code for %s", t->name);
	m->layout = LLVMCreateTargetDataLayout(m->tm);
	m->cx = LLVMContextCreate();
	LLVMContextSetDiagnosticHandler(m->cx, on_diagnostic, m);
	return NULL;
}

void
machine_close(Machine *m)
{
	if (m->cx)
		LLVMContextDispose(m->cx);
	if (m->layout)
		LLVMDisposeTargetData(m->layout);
	if (m->tm)
		LLVMDisposeTargetMachine(m->tm);
}

LLVMModuleRef
machine_module(Machine *m, const Kernel *k, const char *name, const char **err)
{
	LLVMModuleRef mod = LLVMModuleCreateWithNameInContext(k->name, m->cx);
	LVal fn;

	LLVMSetTarget(mod, m->t->triple);
	LLVMSetModuleDataLayout(mod, m->layout);
	*err = emit_kernel(m->a, m->t, &m->hooks, m->cx, mod, k, name, &fn);
#ifdef Y12_DEBUG
	char *text = NULL;

	if (!*err && LLVMVerifyModule(mod, LLVMReturnStatusAction, &text))
		*err = arena_printf(m->a, "kernel %s: LLVM IR does not verify: %s", k->name, text);
	LLVMDisposeMessage(text);
#endif
	if (*err) {
		LLVMDisposeModule(mod);
		return NULL;
	}
	return mod;
}

const char *
machine_optimize(Machine *m, LLVMModuleRef mod)
{
	LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
	LLVMErrorRef e = LLVMRunPasses(mod, m->t->kind == TARGET_GPU ? gpu_passes : host_passes, m->tm, o);
	const char *err = NULL;

	LLVMDisposePassBuilderOptions(o);
	if (e) {
		char *text = LLVMGetErrorMessage(e);

		err = arena_printf(m->a, "LLVM: %s", text);
		LLVMDisposeErrorMessage(text);
	}
	return err;
}

const char *
machine_generate(Machine *m, LLVMModuleRef mod, LLVMCodeGenFileType kind, LLVMMemoryBufferRef *out)
{
	char *text = NULL;

	*out = NULL;
	if (LLVMTargetMachineEmitToMemoryBuffer(m->tm, mod, kind, &text, out))
		return message(m, text);
	return m->diag;
}
