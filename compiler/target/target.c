/* target.c -- rows of targets.def, by name and for the machine at hand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "target/target.h"

#define KIB 1024

static const Target targets[] = {
#define HOST(name_, arch_, triple_, cpu_, features_, level_, vec_, regs_, l1_, l2_)          \
	{ .name = name_, .kind = TARGET_HOST, .arch = ARCH_##arch_, .triple = triple_,       \
	  .cpu = cpu_, .features = features_, .level = level_, .vector_bytes = vec_,         \
	  .vector_regs = regs_, .l1 = (int64_t)(l1_) * KIB, .l2 = (int64_t)(l2_) * KIB },
#define GPU(name_, sm_, features_, ptx_, block_, shared_, threads_, l2_, sms_, mma_, has_)   \
	{ .name = name_, .kind = TARGET_GPU, .arch = ARCH_NVPTX,                             \
	  .triple = "nvptx64-nvidia-cuda", .cpu = name_, .features = features_,              \
	  .vector_bytes = 16, .vector_regs = 255, .l1 = shared_,                             \
	  .l2 = (int64_t)(l2_) * KIB, .sm = sm_, .ptx = ptx_, .shared_block = block_,        \
	  .shared_sm = shared_, .threads_sm = threads_, .sms = sms_, .mma = mma_, .has = has_ },
#include "target/targets.def"
#undef HOST
#undef GPU
};

static const char *const names[] = {
	"host",
#define HOST(name, ...) name,
#define GPU(name, ...) name,
#include "target/targets.def"
#undef HOST
#undef GPU
};

/* The instruction-set level of this CPU, and its family; 0: not one of ours.
 * cpu_supports also asks whether the system saves the wider registers. */
static int
cpu_level(TargetArch *arch)
{
#if defined(__x86_64__)
	*arch = ARCH_X86_64;
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt"))
		return 1;
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
	    !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
		return 2;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
	    !__builtin_cpu_supports("avx512vl"))
		return 3;
	return 4;
#elif defined(__aarch64__)
	*arch = ARCH_AARCH64;
	return 1;
#else
	*arch = ARCH_NVPTX;
	return 0;
#endif
}

bool
target_runs_here(const Target *t)
{
	TargetArch arch;
	int level = cpu_level(&arch);

	return t->kind == TARGET_HOST && t->arch == arch && t->level <= level;
}

const Target *
target_host(void)
{
	const Target *best = NULL;

	for (size_t i = 0; i < COUNT(targets); i++)
		if (target_runs_here(&targets[i]) && (best == NULL || best->level < targets[i].level))
			best = &targets[i];
	return best;
}

const Target *
target_named(const char *name)
{
	if (strcmp(name, "host") == 0)
		return target_host();
	if (strncmp(name, "cuda:", 5) == 0)
		name += 5;
	for (size_t i = 0; i < COUNT(targets); i++)
		if (strcmp(targets[i].name, name) == 0)
			return &targets[i];
	return NULL;
}

const char *const *
target_names(size_t *n)
{
	*n = COUNT(names);
	return names;
}
