/* test_blob.c -- from object file to blob, and the cache: what is refused, what survives damage,
 * and several processes at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <llvm-c/IRReader.h>

#include "backend/link.h"
#include "backend/machine.h"
#include "tests/backend/run.h"

/* ---- objects -------------------------------------------------------------------------- */

/* LLVM IR as an object file. */
static LLVMMemoryBufferRef
object_of(Arena *a, const char *target, LLVMCodeModel model, const char *ir)
{
	static const EmitHooks none;
	LLVMMemoryBufferRef text, obj = NULL;
	LLVMModuleRef mod;
	Machine m;
	char *why;

	assert_null(machine_open(&m, a, target_named(target), &none, LLVMRelocPIC, model));
	text = LLVMCreateMemoryBufferWithMemoryRangeCopy(ir, strlen(ir), "test");
	if (LLVMParseIRInContext(m.cx, text, &mod, &why))
		fail_msg("%s", why);
	LLVMSetTarget(mod, m.t->triple);
	LLVMSetModuleDataLayout(mod, m.layout);
	assert_null(machine_generate(&m, mod, LLVMObjectFile, &obj));
	LLVMDisposeModule(mod);
	machine_close(&m);
	return obj;
}

static const char *
link_ir(Arena *a, const char *target, LLVMCodeModel model, const char *ir, Piece *out)
{
	LLVMMemoryBufferRef obj = object_of(a, target, model, ir);
	const char *err = link_object(a, LLVMGetBufferStart(obj), LLVMGetBufferSize(obj), "kernel", out);

	LLVMDisposeMemoryBuffer(obj);
	return err;
}

/* two constants of different sizes, a helper function, a table */
static const char good_ir[] =
	"@table = private unnamed_addr constant [4 x i32] [i32 11, i32 22, i32 33, i32 44]\n"
	"define internal float @half(float %x) noinline { %y = fmul float %x, 0.3125\n ret float %y }\n"
	"define void @kernel(ptr %arg, ptr %task) nounwind {\n"
	"  %y = load ptr, ptr %arg\n"
	"  %i = load i64, ptr %task\n"
	"  %p = getelementptr [4 x i32], ptr @table, i64 0, i64 %i\n"
	"  %x = load i32, ptr %p\n"
	"  %f = sitofp i32 %x to float\n"
	"  %h = call float @half(float %f)\n"
	"  %d = fpext float %h to double\n"
	"  %e = fadd double %d, 0.123456789\n"
	"  store double %e, ptr %y\n"
	"  ret void\n"
	"}\n";

static void
objects_become_code(void **state)
{
	Arena *a = arena_new();
	double y = 0;
	void *arg[1] = { &y };
	Piece p;
	char *map;

	(void)state;
	assert_null(link_ir(a, "host:x86-64-v2", LLVMCodeModelSmall, good_ir, &p));
	if (target_runs_here(target_named("host:x86-64-v2"))) {
		/* anywhere, as long as the alignment holds */
		map = mmap(NULL, p.bytes + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(map + 4 * p.align, p.p, p.bytes);
		mprotect(map, p.bytes + 8192, PROT_READ | PROT_EXEC);
		((KernelFn *)(uintptr_t)(map + 4 * p.align + p.entry))(arg, (int64_t[]){ 2, 0, 0 });
		assert_true(y == 33 * 0.3125 + 0.123456789);
		munmap(map, p.bytes + 8192);
	}
	arena_free(a);
}

static uint32_t
word(const Piece *p, size_t at)
{
	uint32_t x;

	memcpy(&x, p->p + at, sizeof x);
	return x;
}

/* Follows the addresses that AArch64 code makes, since it does not run here: adrp or adr, and the add or load
 * after it on the same register. */
static void
arm_addresses(void **state)
{
	static const char ir[] =
		"@table = private unnamed_addr constant [2 x i64] [i64 1311768467463790320, i64 7], align 64\n"
		"define ptr @kernel() nounwind { ret ptr @table }\n";
	static const LLVMCodeModel model[] = { LLVMCodeModelTiny, LLVMCodeModelSmall };

	(void)state;
	for (size_t k = 0; k < COUNT(model); k++) {
		Arena *a = arena_new();
		Piece p;
		uint64_t value;
		int64_t at = -1;

		assert_null(link_ir(a, "host:aarch64", model[k], ir, &p));
		assert_int_equal(p.align, model[k] == LLVMCodeModelSmall ? 4096 : 64);
		for (size_t i = p.entry; i + 8 <= p.bytes && at < 0; i += 4) {
			uint32_t w = word(&p, i);
			int64_t imm = ((w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3));

			if ((w & 0x1f000000) != 0x10000000)
				continue;
			imm = (int64_t)((uint64_t)imm << 43) >> 43;
			if (w >> 31)
				at = ((int64_t)i & ~4095) + imm * 4096 + (word(&p, i + 4) >> 10 & 0xfff);
			else
				at = (int64_t)i + imm;
		}
		assert_in_range(at, 0, p.bytes - 8);
		memcpy(&value, p.p + at, sizeof value);
		assert_true(value == 0x123456789abcdef0);
		assert_null(link_ir(a, "host:aarch64", model[k], good_ir, &p));
		arena_free(a);
	}
}

static void
promises_are_kept(void **state)
{
	static const struct { const char *ir, *err; } bad[] = {
		{ "declare float @expf(float)\ndefine float @kernel(float %x) { %y = call float @expf(float %x)\n ret float %y }",
		  "the code calls or reads 'expf', which is not part of it" },
		{ "@n = internal global i32 1\ndefine i32 @kernel() { %x = load i32, ptr @n\n %y = add i32 %x, 1\n"
		  "store i32 %y, ptr @n\n ret i32 %x }", "the code has writable data (.data)" },
		{ "@p = internal constant ptr @kernel\ndefine ptr @kernel(i64 %i) { %q = getelementptr ptr, ptr @p, i64 %i\n"
		  "%x = load volatile ptr, ptr %q\n ret ptr %x }", "writable data" },
		{ "define void @other() { ret void }", "the object has no function kernel" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		Arena *a = arena_new();
		Piece p;
		const char *err = link_ir(a, "host:x86-64-v3", LLVMCodeModelSmall, bad[i].ir, &p);

		if (!err || !strstr(err, bad[i].err))
			fail_msg("wanted '%s', got '%s'", bad[i].err, err ? err : "no error");
		arena_free(a);
	}
}

/* Damaged objects give an error or other code, but no access outside (a sanitizer watches). */
static void
damaged_objects(void **state)
{
	static const char *const target[] = { "host:x86-64-v4", "host:aarch64" };

	(void)state;
	for (size_t t = 0; t < COUNT(target); t++) {
		Arena *a = arena_new();
		LLVMMemoryBufferRef obj = object_of(a, target[t], LLVMCodeModelSmall, good_ir);
		size_t n = LLVMGetBufferSize(obj);
		uint64_t seed = 7;
		Piece p;

		for (size_t len = 0; len < n; len++) {
			uint8_t *copy = malloc(len + 1);
			Arena *tmp = arena_new();

			memcpy(copy, LLVMGetBufferStart(obj), len);
			assert_non_null(link_object(tmp, copy, len, "kernel", &p));
			free(copy);
			arena_free(tmp);
		}
		for (int round = 0; round < 4000; round++) {
			uint8_t *copy = malloc(n);
			Arena *tmp = arena_new();

			memcpy(copy, LLVMGetBufferStart(obj), n);
			for (int k = 0; k <= round % 3; k++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				copy[(seed >> 33) % n] = (uint8_t)(round & 1 ? 0xff : seed >> 20);
			}
			link_object(tmp, copy, n, "kernel", &p);
			free(copy);
			arena_free(tmp);
		}
		LLVMDisposeMemoryBuffer(obj);
		arena_free(a);
	}
}

/* ---- the cache -------------------------------------------------------------------------- */

static Kernel *
add_kernel(Arena *a, double x, int count)
{
	KBuild *b = k_begin(a, "add");
	uint32_t y = k_param(b, "y", DT_F32, count, true);
	Reg i = k_for(b, k_ix(b, 0), k_ix(b, count), 16);

	k_store(b, y, i, k_add(b, k_load(b, y, i, 16), k_real(b, kt(KS_F32, 16), x)));
	k_close(b);
	return k_end(b);
}

enum { KERNELS = 6 };

/* Compiles add 1 … add 6 with a cache; every kernel must do what it should. */
static HostCode
compile_some(Arena *a, const char *dir)
{
	Kernel *k[KERNELS];
	_Alignas(64) float y[16];
	HostOptions o = { .threads = 2, .cache_dir = dir };
	const char *err;
	Code code;

	for (int i = 0; i < KERNELS; i++)
		k[i] = add_kernel(a, i + 1, 16);
	if (!host_compile(a, target_host(), k, KERNELS, &o, &code.host, &err))
		fail_msg("%s", err);
	code_map(a, &code, KERNELS);
	for (int i = 0; i < KERNELS; i++) {
		memset(y, 0, sizeof y);
		code.fn[i]((void *[]){ y }, (int64_t[3]){ 0 });
		for (int j = 0; j < 16; j++)
			assert_true(y[j] == (float)(i + 1));
	}
	code_close(&code);
	return code.host;
}

static char *
new_folder(Arena *a)
{
	char *dir = arena_str(a, "/tmp/y12-cache-XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

/* calls fn for each entry; returns how many */
static int
each_entry(Arena *a, const char *dir, void (*fn)(const char *path, int n))
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			if (fn)
				fn(arena_printf(a, "%s/%s", dir, e->d_name), n);
			n++;
		}
	closedir(d);
	return n;
}

static void
remove_entry(const char *path, int n)
{
	(void)n;
	if (unlink(path) != 0)
		rmdir(path);
}

static void
remove_folder(Arena *a, const char *dir)
{
	each_entry(a, dir, remove_entry);
	rmdir(dir);
}

static void
kept_and_found(void **state)
{
	Arena *a = arena_new();
	char *top = new_folder(a), *dir = arena_printf(a, "%s/below/it", top);  /* folders are made */
	HostCode first = compile_some(a, dir), again = compile_some(a, dir);

	(void)state;
	assert_false(first.cached);
	assert_null(first.note);
	assert_true(again.cached);
	assert_int_equal(first.bytes, again.bytes);
	assert_memory_equal(first.code, again.code, first.bytes);
	assert_memory_equal(first.entry, again.entry, KERNELS * sizeof(size_t));
	assert_int_equal(each_entry(a, dir, NULL), KERNELS);
	remove_folder(a, dir);
	remove_folder(a, arena_printf(a, "%s/below", top));
	remove_folder(a, top);
	arena_free(a);
}

/* what changes the code changes the key, and only that */
static void
keys(void **state)
{
	Arena *a = arena_new();
	char *dir = new_folder(a);
	HostOptions o = { .cache_dir = dir };
	const Target *t = target_named("host:x86-64-v2");
	Kernel *k[3] = { add_kernel(a, 1, 32), add_kernel(a, 2, 32), add_kernel(a, 1, 32) };
	HostCode c;
	const char *err;

	(void)state;
	k[2]->name = "another_name";
	assert_true(host_compile(a, t, k, 3, &o, &c, &err));
	assert_int_equal(c.entry[0], c.entry[2]);
	assert_true(c.entry[0] != c.entry[1]);
	assert_int_equal(each_entry(a, dir, NULL), 2);
	k[0] = add_kernel(a, 1.5, 32);
	assert_true(host_compile(a, t, k, 3, &o, &c, &err));
	assert_false(c.cached);
	assert_int_equal(each_entry(a, dir, NULL), 3);
	k[0]->buf.p[0].align = 64;
	assert_true(host_compile(a, t, k, 1, &o, &c, &err));
	assert_int_equal(each_entry(a, dir, NULL), 4);
	assert_true(host_compile(a, target_named("host:x86-64-v3"), k, 1, &o, &c, &err));
	assert_int_equal(each_entry(a, dir, NULL), 5);
	assert_true(host_compile(a, target_named("host:aarch64"), k, 1, &o, &c, &err));
	assert_int_equal(each_entry(a, dir, NULL), 6);
	remove_folder(a, dir);
	arena_free(a);
}

/* a different damage for each entry */
static void
damage(const char *path, int n)
{
	struct stat st;
	int fd;
	char c;

	assert_int_equal(stat(path, &st), 0);
	switch (n % 6) {
	case 0: assert_int_equal(truncate(path, 0), 0); return;
	case 1: assert_int_equal(truncate(path, st.st_size - 1), 0); return;
	case 2: assert_int_equal(truncate(path, st.st_size + 1), 0); return;
	case 3: unlink(path); assert_int_equal(mkdir(path, 0700), 0); return;
	}
	/* a bit of the code, or of the entry's offset in the header */
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	off_t at = n % 6 == 4 ? st.st_size - 3 : 48;
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 4;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
damaged_entries(void **state)
{
	Arena *a = arena_new();
	char *dir = new_folder(a);
	HostCode c;

	(void)state;
	compile_some(a, dir);
	each_entry(a, dir, damage);
	c = compile_some(a, dir);
	assert_false(c.cached);
	/* a folder in an entry's place cannot be replaced; the rest is whole again */
	assert_non_null(c.note);
	each_entry(a, dir, NULL);
	DIR *d = opendir(dir);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] == 'k')
			rmdir(arena_printf(a, "%s/%s", dir, e->d_name));
	closedir(d);
	c = compile_some(a, dir);
	assert_false(c.cached);
	assert_null(c.note);
	assert_true(compile_some(a, dir).cached);
	assert_int_equal(each_entry(a, dir, NULL), KERNELS);
	remove_folder(a, dir);
	arena_free(a);
}

static void
unwritable(void **state)
{
	Arena *a = arena_new();
	HostCode c = compile_some(a, "/dev/null/cache");

	(void)state;
	assert_false(c.cached);
	assert_non_null(c.note);
	assert_non_null(strstr(c.note, "/dev/null/cache"));
	arena_free(a);
}

static void
processes_at_once(void **state)
{
	Arena *a = arena_new();
	char *dir = new_folder(a);
	pid_t child[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			for (int round = 0; round < 3; round++)
				compile_some(a, dir);
			_exit(0);
		}
		assert_true(child[i] > 0);
	}
	for (int i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	assert_true(compile_some(a, dir).cached);
	assert_int_equal(each_entry(a, dir, NULL), KERNELS);
	remove_folder(a, dir);
	arena_free(a);
}

/* A hundred kernels of a few hundred instructions, as a network has. */
static void
opening_is_quick(void **state)
{
	enum { MANY = 100 };
	Arena *a = arena_new();
	char *dir = new_folder(a);
	HostOptions o = { .cache_dir = dir };
	Kernel *k[MANY];
	HostCode c;
	const char *err;
	double best = 1e9;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		KBuild *b = k_begin(a, "k");
		uint32_t y = k_param(b, "y", DT_F32, 4096, true);

		for (int j = 0; j < 100; j++)
			k_store(b, y, k_ix(b, 16 * j), k_add(b, k_load(b, y, k_ix(b, 16 * j), 16), k_real(b, kt(KS_F32, 16), i)));
		k[i] = k_end(b);
	}
	assert_true(host_compile(a, target_host(), k, MANY, &o, &c, &err));
	for (int i = 0; i < 5; i++) {
		struct timespec t0, t1;

		clock_gettime(CLOCK_MONOTONIC, &t0);
		assert_true(host_compile(a, target_host(), k, MANY, &o, &c, &err));
		clock_gettime(CLOCK_MONOTONIC, &t1);
		assert_true(c.cached);
		double ms = (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) * 1e-6;
		best = ms < best ? ms : best;
	}
	printf("%d kernels, %zu bytes, from the cache in %.2f ms\n", MANY, c.bytes, best);
	/* no measurement, but a mistake of an order of magnitude fails */
	assert_true(best < 100);
	remove_folder(a, dir);
	arena_free(a);
}

static void
where_it_is(void **state)
{
	Arena *a = arena_new();

	(void)state;
	unsetenv("YOLO12C_CACHE_DIR"), unsetenv("YOLOV12_TRT_CACHE_DIR"), unsetenv("XDG_CACHE_HOME"), unsetenv("HOME");
	assert_null(cache_dir_default(a));
	setenv("HOME", "/home/me", 1);
	assert_string_equal(cache_dir_default(a), "/home/me/.cache/yolo12c");
	setenv("XDG_CACHE_HOME", "relative", 1);
	assert_string_equal(cache_dir_default(a), "/home/me/.cache/yolo12c");
	setenv("XDG_CACHE_HOME", "/xdg", 1);
	assert_string_equal(cache_dir_default(a), "/xdg/yolo12c");
	setenv("YOLOV12_TRT_CACHE_DIR", "/older", 1);
	assert_string_equal(cache_dir_default(a), "/older");
	setenv("YOLO12C_CACHE_DIR", "/ours", 1);
	assert_string_equal(cache_dir_default(a), "/ours");
	setenv("YOLO12C_CACHE_DIR", "", 1);
	assert_string_equal(cache_dir_default(a), "/older");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_become_code), cmocka_unit_test(arm_addresses),
		cmocka_unit_test(promises_are_kept), cmocka_unit_test(damaged_objects),
		cmocka_unit_test(kept_and_found), cmocka_unit_test(keys), cmocka_unit_test(damaged_entries),
		cmocka_unit_test(unwritable), cmocka_unit_test(processes_at_once),
		cmocka_unit_test(opening_is_quick), cmocka_unit_test(where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
