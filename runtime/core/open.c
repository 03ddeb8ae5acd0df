/* open.c -- from bytes to an engine, believing nothing.
 *
 * Each section must lie inside the file, each index inside its section, each argument
 * inside the arena, the constants or its tensor; only then is anything used.  What is
 * believed is the machine code: an engine is as trusted as a shared library.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/core/engine.h"

y12_status
y12_fail(y12_engine *e, y12_status s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->message, sizeof e->message, fmt, ap);
	va_end(ap);
	return s;
}

double
y12_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool
inside(const y12_engine *e, y12e_range r, uint64_t size, uint64_t align)
{
	return r.offset % align == 0 && r.offset <= e->image_bytes && r.count <= UINT64_MAX / size &&
	       r.count * size <= e->image_bytes - r.offset;
}

/* bytes of a tensor, 0 if a side is known only when it runs, -1 if it is absurd */
static int64_t
tensor_bytes(const y12e_tensor *t)
{
	static const int size[] = { 0, 1, 1, 4, 8, 2, 2, 4, 8 };
	int64_t n;

	if (t->dtype < Y12_U8 || t->dtype > Y12_F64 || t->rank > Y12E_RANK)
		return -1;
	n = size[t->dtype];
	for (uint32_t i = 0; i < t->rank; i++) {
		if (t->dim[i] == -1)
			n = 0;
		else if (t->dim[i] < 1 || t->dim[i] > INT32_MAX || n > ((int64_t)1 << 46) / t->dim[i])
			return -1;
		else
			n *= t->dim[i];
	}
	return n;
}

/* a tensor map inside the entry that uses it */
static const char *
check_tmap(const y12_engine *e, const y12e_entry *n, uint32_t index)
{
	const y12e_header *h = &e->h;
	const y12e_tmap *t;
	const char *wrong;
	uint64_t reach, limit;

	if (index >= h->tmaps.count)
		return "a tensor map's number";
	t = &e->tmaps[index];
	if ((wrong = y12e_tmap_wrong(t, &reach)))
		return wrong;
	if (t->place == Y12E_INPUT) {
		if (t->tensor >= n->ntensor || e->tensors[n->tensor + t->tensor].flags & Y12E_OUTPUT)
			return "a tensor map's input";
		limit = (uint64_t)tensor_bytes(&e->tensors[n->tensor + t->tensor]);
	} else {
		limit = t->place == Y12E_ARENA ? h->arena_bytes : h->consts.count;
	}
	return t->offset > limit || reach > limit - t->offset ? "a tensor map's place" : NULL;
}

static const char *
check_kernel(const y12e_kernel *k, uint64_t nstr)
{
	uint64_t tasks = 1, threads = 1, cluster = 1;

	if (k->name >= nstr)
		return "a kernel's name";
	for (int j = 0; j < 3; j++) {
		if (!k->grid[j] || tasks > UINT32_MAX / k->grid[j])
			return "a kernel's grid";
		if (!k->block[j] || k->block[j] > 1024)
			return "a kernel's block";
		if (!k->cluster[j] != !k->cluster[0] || k->cluster[j] > 16 ||
		    (k->cluster[j] && k->grid[j] % k->cluster[j]))
			return "a kernel's cluster";
		tasks *= k->grid[j];
		threads *= k->block[j];
		cluster *= k->cluster[j];
	}
	return threads > 1024 ? "a kernel's block" : cluster > 16 ? "a kernel's cluster"
	     : k->shared > 1 << 20 ? "a kernel's shared memory" : NULL;
}

/* What is wrong with the image; NULL: nothing. */
static const char *
check(y12_engine *e)
{
	const y12e_header *h = &e->h;
	uint64_t nstr = h->strings.count, launches = 0, args = 0, waits = 0;
	const char *wrong;

	if (h->reserved)
		return "the header";
	if (!inside(e, h->strings, 1, 1) || !nstr || e->image[h->strings.offset] ||
	    e->image[h->strings.offset + nstr - 1])
		return "strings";
	if (!inside(e, h->tensors, sizeof(y12e_tensor), 8))
		return "tensors";
	if (!inside(e, h->entries, sizeof(y12e_entry), 8))
		return "entries";
	if (!inside(e, h->launches, sizeof(y12e_launch), 8))
		return "launches";
	if (!inside(e, h->args, sizeof(y12e_arg), 8))
		return "arguments";
	if (!inside(e, h->kernels, sizeof(y12e_kernel), 8))
		return "kernels";
	if (!inside(e, h->metas, sizeof(y12e_meta), 8))
		return "facts";
	if (!inside(e, h->codes, sizeof(y12e_code), 8))
		return "code table";
	if (!inside(e, h->tmaps, sizeof(y12e_tmap), 8))
		return "tensor maps";
	if (!inside(e, h->waits, sizeof(uint32_t), 8))
		return "waits";
	if (!inside(e, h->consts, 1, Y12E_ALIGN))
		return "constants";
	if (h->arena_bytes > (uint64_t)1 << 46)
		return "arena size";
	e->strings = (const char *)e->image + h->strings.offset;
	e->tensors = (const void *)(e->image + h->tensors.offset);
	e->entries = (const void *)(e->image + h->entries.offset);
	e->launches = (const void *)(e->image + h->launches.offset);
	e->args = (const void *)(e->image + h->args.offset);
	e->kernels = (const void *)(e->image + h->kernels.offset);
	e->metas = (const void *)(e->image + h->metas.offset);
	e->tmaps = (const void *)(e->image + h->tmaps.offset);
	e->waits = (const void *)(e->image + h->waits.offset);
	e->consts = e->image + h->consts.offset;

	for (uint64_t i = 0; i < h->metas.count; i++)
		if (e->metas[i].key >= nstr || e->metas[i].value >= nstr)
			return "a fact's text";
	for (uint64_t i = 0; i < h->tensors.count; i++) {
		const y12e_tensor *t = &e->tensors[i];
		int64_t bytes = tensor_bytes(t);

		if (t->name >= nstr || bytes < 0)
			return "a tensor's shape";
		if (t->flags > Y12E_OPTIONAL)
			return "a tensor's flags";
		if (t->flags & Y12E_OUTPUT) {
			if (!bytes || t->offset % Y12E_ALIGN || t->offset > h->arena_bytes ||
			    (uint64_t)bytes > h->arena_bytes - t->offset)
				return "an output's place";
		} else if (t->flags & Y12E_OPTIONAL) {
			if (!bytes || t->offset % 8 || t->offset > h->consts.count ||
			    (uint64_t)bytes > h->consts.count - t->offset)
				return "a default's place";
		}
	}
	for (uint64_t i = 0; i < h->kernels.count; i++)
		if ((wrong = check_kernel(&e->kernels[i], nstr)))
			return wrong;
	for (uint64_t i = 0; i < h->args.count; i++) {
		const y12e_arg *a = &e->args[i];
		uint64_t limit = a->kind == Y12E_ARENA ? h->arena_bytes : a->kind == Y12E_CONST ? h->consts.count : 0;

		if (a->kind > Y12E_TMAP)
			return "an argument";
		if (a->kind <= Y12E_CONST && (a->offset > limit || a->bytes > limit - a->offset))
			return "an argument's place";
	}
	for (uint64_t i = 0; i < h->entries.count; i++) {
		const y12e_entry *n = &e->entries[i];

		if (n->name >= nstr || n->tensor > h->tensors.count || n->ntensor > h->tensors.count - n->tensor ||
		    n->launch > h->launches.count || n->nlaunch > h->launches.count - n->launch)
			return "an entry";
		/* a launch has one entry and an argument one launch: no file makes these loops long */
		launches += n->nlaunch;
		if (launches > h->launches.count)
			return "an entry";
		for (uint32_t j = n->launch; j < n->launch + n->nlaunch; j++) {
			const y12e_launch *l = &e->launches[j];

			if (l->kernel >= h->kernels.count || l->layer >= nstr || l->phase > Y12E_POST ||
			    l->flags & ~(uint32_t)Y12E_PROGRAMMATIC ||
			    l->arg > h->args.count || l->narg > h->args.count - l->arg ||
			    l->narg != e->kernels[l->kernel].narg)
				return "a launch";
			args += l->narg;
			waits += l->nwait;
			if (args > h->args.count || waits > h->waits.count)
				return "a launch";
			if (l->lane >= Y12E_LANES || l->wait > h->waits.count || l->nwait > h->waits.count - l->wait)
				return "a launch's lane";
			for (uint32_t k = l->wait; k < l->wait + l->nwait; k++)
				if (e->waits[k] >= j - n->launch)
					return "what a launch waits for";
			for (uint32_t k = l->arg; k < l->arg + l->narg; k++) {
				const y12e_arg *a = &e->args[k];
				uint64_t limit;

				if (a->kind <= Y12E_CONST)
					continue;
				if (a->kind == Y12E_TMAP) {
					if ((wrong = check_tmap(e, n, a->tensor)))
						return wrong;
					continue;
				}
				if (a->tensor >= n->ntensor || e->tensors[n->tensor + a->tensor].flags & Y12E_OUTPUT)
					return "an argument";
				limit = (uint64_t)tensor_bytes(&e->tensors[n->tensor + a->tensor]);
				if (a->kind == Y12E_INPUT &&
				    (limit ? a->offset > limit || a->bytes > limit - a->offset : a->offset != 0))
					return "an argument's place";
			}
		}
	}
	for (uint64_t i = 0; i < h->codes.count; i++) {
		const y12e_code *c = (const y12e_code *)(e->image + h->codes.offset) + i;

		if (c->target >= nstr || !inside(e, c->blob, 1, Y12E_PAGE) ||
		    !inside(e, c->entry, 8, 8) || c->entry.count != h->kernels.count)
			return "code";
		for (uint64_t j = 0; j < c->entry.count; j++)
			if (((const uint64_t *)(e->image + c->entry.offset))[j] >= c->blob.count)
				return "a kernel's entry point";
	}
	return NULL;
}

static y12_status
read_image(y12_engine *e)
{
	const char *wrong;

	if (e->image_bytes < 8 || memcmp(e->image, Y12E_MAGIC, 8) != 0)
		return y12_fail(e, Y12_CORRUPT, "this is not a yolo12c engine");
	if (e->image_bytes < sizeof e->h)
		return y12_fail(e, Y12_CORRUPT, "the engine is cut off: %zu bytes", e->image_bytes);
	memcpy(&e->h, e->image, sizeof e->h);
	if (e->h.version != Y12E_VERSION)
		return y12_fail(e, Y12_CORRUPT, "the engine has format version %u, this library reads %d; "
		                "compile it again", e->h.version, Y12E_VERSION);
	if (e->h.file_bytes != e->image_bytes)
		return y12_fail(e, Y12_CORRUPT, "the engine is cut off: %zu bytes instead of %llu",
		                e->image_bytes, (unsigned long long)e->h.file_bytes);
	if (y12e_checksum(e->image + offsetof(y12e_header, arena_bytes),
	                  e->image_bytes - offsetof(y12e_header, arena_bytes)) != e->h.checksum)
		return y12_fail(e, Y12_CORRUPT, "the engine is damaged: its checksum does not fit");
	if ((wrong = check(e)))
		return y12_fail(e, Y12_CORRUPT, "the engine is damaged: %s out of range", wrong);
	return Y12_OK;
}

/* "host", "cpu:4", "cuda:1", "gpu", "1": the device, and its number of threads or its index. */
static y12_status
parse_device(y12_engine *e, const char *text, const Device **device, int *number)
{
	static const struct { const char *word; const Device *device; } words[] = {
		{ "host", &device_host }, { "cpu", &device_host }, { "cuda", &device_cuda }, { "gpu", &device_cuda },
		{ "", &device_cuda },
	};

	text = text ? text : "host";
	*number = 0;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t n = strlen(words[i].word);
		bool host = words[i].device == &device_host;
		const char *digits = text + n;
		char *end;
		long x = -1;

		if (strncmp(text, words[i].word, n) != 0)
			continue;
		if (n ? *digits && *digits != ':' : *digits < '0' || *digits > '9')
			continue;
		*device = words[i].device;
		if (n && !*digits)
			return Y12_OK;
		digits += n != 0;
		if (*digits >= '0' && *digits <= '9') {
			errno = 0;
			x = strtol(digits, &end, 10);
			x = *end || errno ? -1 : x;
		}
		if (x < (host ? 1 : 0) || x > (host ? 256 : 255))
			return y12_fail(e, Y12_NODEVICE, host ? "device '%s': the number of threads must be 1 to 256"
			                : "device '%s': the number of the GPU must be 0 to 255", text);
		*number = (int)x;
		return Y12_OK;
	}
	return y12_fail(e, Y12_NODEVICE, "there is no device '%s'; this library has: host, host:THREADS, cuda:GPU",
	                text);
}

y12_status
y12_device_find(const char *text, y12_gpu *out, char *message, size_t size)
{
	y12_engine *e = calloc(1, sizeof *e);
	const Device *device = NULL;
	int number = 0;
	y12_status s = Y12_NOMEMORY;

	*out = (y12_gpu){ .number = 0 };
	if (e && !(s = parse_device(e, text, &device, &number))) {
		snprintf(out->kind, sizeof out->kind, "%s", device->name);
		out->number = number;
		s = device->find(e, number, out);
	}
	if (message && size)
		snprintf(message, size, "%s", e ? e->message : "out of memory");
	free(e);
	return s;
}

/* Gives back all that the engine has.  Only the message is left, so that whoever asks an
 * engine that did not open gets empty answers. */
static void
release(y12_engine *e)
{
	char message[sizeof e->message];

	if (e->device)
		e->device->close(e);
	if (e->mapped)
		munmap((void *)(uintptr_t)e->image, e->image_bytes);
	free(e->dims);
	free(e->bound);
	memcpy(message, e->message, sizeof message);
	memset(e, 0, sizeof *e);
	memcpy(e->message, message, sizeof message);
}

static y12_status
open_device(y12_engine *e, const y12_options *opt)
{
	const Device *device = NULL;
	int number = 0;
	y12_status s;

	if ((s = parse_device(e, opt->device, &device, &number)))
		return s;
	e->dims = calloc(e->h.tensors.count + 1, sizeof *e->dims);
	e->bound = calloc(e->h.tensors.count + 1, sizeof *e->bound);
	if (!e->dims || !e->bound)
		return y12_fail(e, Y12_NOMEMORY, "out of memory");
	e->device = device;
	return device->open(e, opt, number);
}

static y12_status
open_image(y12_engine *e, const y12_options *opt)
{
	static const y12_options plain;
	y12_status s;

	if ((s = read_image(e)) || (s = open_device(e, opt ? opt : &plain)))
		release(e);
	return s;
}

y12_status
y12_engine_open_memory(const void *data, size_t size, const y12_options *opt, y12_engine **out)
{
	y12_engine *e = *out = calloc(1, sizeof *e);

	if (!e)
		return Y12_NOMEMORY;
	if ((uintptr_t)data % Y12E_ALIGN)
		return y12_fail(e, Y12_CORRUPT, "the engine must start at a multiple of %d bytes", Y12E_ALIGN);
	e->image = data;
	e->image_bytes = size;
	return open_image(e, opt);
}

y12_status
y12_engine_open(const char *path, const y12_options *opt, y12_engine **out)
{
	y12_engine *e = *out = calloc(1, sizeof *e);
	struct stat st;
	void *p;
	int fd, bad;

	if (!e)
		return Y12_NOMEMORY;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return y12_fail(e, Y12_NOFILE, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return y12_fail(e, Y12_NOFILE, "%s: not a regular file", path);
	}
	if (st.st_size == 0) {
		close(fd);
		return y12_fail(e, Y12_CORRUPT, "%s: the file is empty", path);
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	bad = errno;
	close(fd);
	if (p == MAP_FAILED)
		return y12_fail(e, Y12_NOFILE, "%s: %s", path, strerror(bad));
	e->image = p;
	e->image_bytes = (size_t)st.st_size;
	e->mapped = true;
	return open_image(e, opt);
}

void
y12_engine_close(y12_engine *e)
{
	if (!e)
		return;
	release(e);
	free(e);
}

const char *
y12_message(const y12_engine *e)
{
	return e ? e->message : "out of memory";
}

const char *
y12_entry_name(const y12_engine *e, size_t i)
{
	return i < e->h.entries.count ? e->strings + e->entries[i].name : NULL;
}

const char *
y12_meta_key(const y12_engine *e, size_t i)
{
	return i < e->h.metas.count ? e->strings + e->metas[i].key : NULL;
}

const char *
y12_meta(const y12_engine *e, const char *key)
{
	for (uint64_t i = 0; i < e->h.metas.count; i++)
		if (strcmp(e->strings + e->metas[i].key, key) == 0)
			return e->strings + e->metas[i].value;
	return NULL;
}

const char *
y12_device(const y12_engine *e, const char *what)
{
	return !e->device ? NULL : strcmp(what, "kind") == 0 ? e->device->name : e->device->fact(e, what);
}

size_t
y12_device_bytes(const y12_engine *e)
{
	return e->device_bytes;
}

size_t
y12_arena_bytes(const y12_engine *e)
{
	return e->h.arena_bytes;
}

size_t
y12_const_bytes(const y12_engine *e)
{
	return e->h.consts.count;
}
