/* ptxas.c -- PTX to machine code by NVIDIA's assembler, where there is one.
 *
 *     modules -- key --> cache ---------------------------------> cubins
 *                  `-> files in a folder of our own -> ptxas --^     a process each, several at a time
 *
 * A module of a hundred kernels takes one ptxas 8 s; a hundred modules of one kernel take
 * sixteen of them 0.4 s.  So modules are small, and processes many.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/backend.h"
#include "backend/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CHILDREN_MAX = 64, SECONDS_MAX = 300, ALIGN = 64 };

const char *
ptxas_path(Arena *a)
{
	const char *own = getenv("YOLO12C_PTXAS"), *path = getenv("PATH");

	if (own && *own)
		return access(own, X_OK) == 0 ? own : NULL;
	path = arena_printf(a, "%s:/usr/local/cuda/bin", path ? path : "");
	for (const char *p = path, *end; *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, ':');
		if (end == p)
			continue;
		char *file = arena_printf(a, "%.*s/ptxas", (int)(end - p), p);
		if (access(file, X_OK) == 0)
			return file;
	}
	return NULL;
}

/* ---- one module ---------------------------------------------------------------------- */

typedef struct Task {
	size_t i;               /* which module */
	const char *ptx, *cubin, *log;  /* files */
	pid_t pid;
	time_t started;
} Task;

static time_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static const char *
start(Arena *a, const char *ptxas, const Target *t, const char *text, Task *task)
{
	posix_spawn_file_actions_t files;
	char *argv[] = {
		(char *)(uintptr_t)ptxas, arena_printf(a, "-arch=%s", t->cpu), (char *)(uintptr_t)"-O3",
		(char *)(uintptr_t)"-v", (char *)(uintptr_t)"-o", (char *)(uintptr_t)task->cubin,
		(char *)(uintptr_t)task->ptx, NULL,
	};
	const char *err;
	int e;

	err = file_write(a, task->ptx, text, strlen(text));
	if (err)
		return err;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, task->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	e = posix_spawn(&task->pid, ptxas, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	task->started = now();
	return e ? arena_printf(a, "cannot run %s: %s", ptxas, strerror(e)) : NULL;
}

/* Its first line that speaks of an error, or its first. */
static const char *
complaint(Arena *a, const char *log)
{
	const char *p = strstr(log, "error"), *end;

	if (!p)
		p = strstr(log, "fatal");
	while (p && p > log && p[-1] != '\n')
		p--;
	if (!p)
		p = log;
	end = strchrnul(p, '\n');
	return arena_strn(a, p, (size_t)(end - p));
}

static const char *
finish(Arena *a, const Task *task, int status, Cubin *out, const char **log)
{
	const char *err;
	size_t n = 0;
	char *text = file_read(a, task->log, &n, &err);
	void *p;

	text = text ? text : arena_str(a, "");
	if (log)
		*log = text;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return WIFSIGNALED(status) ? arena_printf(a, "ptxas ended by signal %d", WTERMSIG(status))
		                           : arena_printf(a, "ptxas: %s", complaint(a, text));
	p = file_read(a, task->cubin, &n, &err);
	*out = (Cubin){ p, n };
	return p ? NULL : err;
}

static void
remove_files(const Task *task)
{
	unlink(task->ptx);
	unlink(task->cubin);
	unlink(task->log);
}

/* ---- many ------------------------------------------------------------------------------ */

typedef char Key[33];

typedef struct Crew {
	Arena *a;
	const char *ptxas, *dir, *err;
	const Target *t;
	const char *const *ptx;
	Cubin *out;
	const char **log;
	Task task[CHILDREN_MAX];
	int n;
} Crew;

/* Looks at task j; true if it has ended. */
static bool
look(Crew *c, int j)
{
	Task *task = &c->task[j];
	const char *err;
	int status;
	pid_t got = waitpid(task->pid, &status, WNOHANG);

	if (got == 0) {
		if (!c->err && now() - task->started <= SECONDS_MAX)
			return false;
		if (!c->err)
			c->err = arena_printf(c->a, "ptxas took more than %d s", SECONDS_MAX);
		kill(task->pid, SIGKILL);
		got = waitpid(task->pid, &status, 0);
	}
	err = got < 0 ? strerror(errno) : finish(c->a, task, status, &c->out[task->i], c->log ? &c->log[task->i] : NULL);
	if (!c->err)
		c->err = err;
	remove_files(task);
	*task = c->task[--c->n];
	return true;
}

/* until at most `left` tasks run */
static void
wait_until(Crew *c, int left)
{
	const struct timespec nap = { 0, 2000000 };

	while (c->n > left) {
		bool ended = false;

		for (int j = c->n; j-- > 0;)
			ended |= look(c, j);
		if (!ended)
			nanosleep(&nap, NULL);
	}
}

static void
add_task(Crew *c, size_t i)
{
	Task t = { .i = i };

	t.ptx = arena_printf(c->a, "%s/%zu.ptx", c->dir, i);
	t.cubin = arena_printf(c->a, "%s/%zu.cubin", c->dir, i);
	t.log = arena_printf(c->a, "%s/%zu.log", c->dir, i);
	c->err = start(c->a, c->ptxas, c->t, c->ptx[i], &t);
	if (c->err)
		remove_files(&t);
	else
		c->task[c->n++] = t;
}

/* which ptxas it is */
static const char *
identity(Arena *a, const char *ptxas)
{
	struct stat st = { 0 };

	stat(ptxas, &st);
	return arena_printf(a, "%s %" PRId64 " %" PRId64, ptxas, (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec);
}

static void
assemble_all(Crew *c, const size_t *todo, size_t ntodo, int at_once)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = arena_printf(c->a, "%s/yolo12c-XXXXXX", tmp && *tmp ? tmp : "/tmp");

	c->dir = mkdtemp(dir);
	if (!c->dir) {
		c->err = arena_printf(c->a, "cannot make a folder like %s: %s", dir, strerror(errno));
		return;
	}
	for (size_t i = 0; i < ntodo && !c->err; i++) {
		wait_until(c, at_once - 1);
		if (!c->err)
			add_task(c, todo[i]);
	}
	wait_until(c, 0);
	rmdir(c->dir);
}

bool
ptx_assemble(Arena *a, const Target *t, const char *const *ptx, size_t n, const NvOptions *o, Cubin *out,
             const char **log, const char **err)
{
	static const NvOptions usual;
	Crew c = { .a = a, .t = t, .ptx = ptx, .out = out, .log = log, .ptxas = ptxas_path(a) };
	size_t *todo = NEWN(a, size_t, n + 1), ntodo = 0;
	Key *key = NEWN(a, Key, n + 1);
	long at_once;

	if (!o)
		o = &usual;
	*err = NULL;
	if (!c.ptxas) {
		*err = "there is no ptxas: neither in PATH nor in /usr/local/cuda/bin";
		return false;
	}
	const char *who = identity(a, c.ptxas);
	for (size_t i = 0; i < n; i++) {
		const char *salt = arena_printf(a, "%s|%s|", who, t->cpu);
		Piece piece;

		if (log)
			log[i] = "";
		if (o->cache_dir) {
			Text x = { .a = a };

			text_put(&x, salt);
			text_put(&x, ptx[i]);
			hash_hex(key[i], x.p, x.n);
			if (cache_get(a, o->cache_dir, key[i], &piece)) {
				out[i] = (Cubin){ piece.p, piece.bytes };
				continue;
			}
		}
		todo[ntodo++] = i;
	}
	at_once = o->threads > 0 ? o->threads : sysconf(_SC_NPROCESSORS_ONLN);
	if (ntodo > 0)
		assemble_all(&c, todo, ntodo, (int)MIN(MAX(at_once, 1), CHILDREN_MAX));
	*err = c.err;
	for (size_t i = 0; i < ntodo && o->cache_dir && !c.err; i++) {
		const Cubin *b = &out[todo[i]];

		if (cache_put(a, o->cache_dir, key[todo[i]], &(Piece){ b->p, b->bytes, 0, ALIGN }))
			break;          /* a folder that cannot be written costs time, no more */
	}
	return c.err == NULL;
}
