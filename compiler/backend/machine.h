/* machine.h -- one thread's LLVM.  Private to backend/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_BACKEND_MACHINE_H
#define Y12_BACKEND_MACHINE_H

#include "backend/emit.h"

typedef struct Machine {
	Arena *a;               /* messages, and what one kernel needs */
	const Target *t;
	EmitHooks hooks;
	LLVMContextRef cx;
	LLVMTargetMachineRef tm;
	LLVMTargetDataRef layout;
	const char *diag;       /* an error that LLVM reported */
} Machine;

/* Functions that return text return NULL when all is well, else what is wrong (in m->a). */
const char *machine_open(Machine *m, Arena *a, const Target *t, const EmitHooks *h, LLVMRelocMode reloc,
                         LLVMCodeModel model);
void machine_close(Machine *m);         /* of one that did not open, too; zeroed is fine */

/* A module with the kernel as function `name`; NULL: *err. */
LLVMModuleRef machine_module(Machine *m, const Kernel *k, const char *name, const char **err);
const char *machine_optimize(Machine *m, LLVMModuleRef mod);
const char *machine_generate(Machine *m, LLVMModuleRef mod, LLVMCodeGenFileType kind, LLVMMemoryBufferRef *out);

#endif
