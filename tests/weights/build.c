/* build.c -- checkpoints made by hand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/weights/build.h"

#include <stdlib.h>
#include <zip.h>

static void
put_le(Text *t, uint64_t x, int n)
{
	for (int i = 0; i < n; i++) {
		char c = i < 8 ? (char)(x >> 8 * i) : 0;
		text_putn(t, &c, 1);
	}
}

/* ---- pickles -------------------------------------------------------------------- */

void
pk_ops(Text *t, const char *ops)
{
	text_put(t, ops);
}

void
pk_str(Text *t, const char *s)
{
	text_put(t, "X");
	put_le(t, strlen(s), 4);
	text_put(t, s);
}

void
pk_int(Text *t, int32_t i)
{
	text_put(t, "J");
	put_le(t, (uint32_t)i, 4);
}

void
pk_class(Text *t, const char *module, const char *name)
{
	text_printf(t, "c%s\n%s\n", module, name);
}

void
pk_ints(Text *t, int n, const int *v)
{
	text_put(t, "(");
	for (int i = 0; i < n; i++)
		pk_int(t, v[i]);
	text_put(t, "t");
}

void
pk_tensor(Text *t, bool param, const char *storage, const char *key, int numel,
          int offset, int rank, const int *dim, const int *stride)
{
	if (param) {
		pk_class(t, "torch._utils", "_rebuild_parameter");
		text_put(t, "(");
	}
	pk_class(t, "torch._utils", "_rebuild_tensor_v2");
	text_put(t, "((");
	pk_str(t, "storage");
	pk_class(t, "torch", storage);
	pk_str(t, key);
	pk_str(t, "cpu");
	pk_int(t, numel);
	text_put(t, "tQ");
	pk_int(t, offset);
	pk_ints(t, rank, dim);
	pk_ints(t, rank, stride);
	text_put(t, "\x89");                            /* requires_grad */
	pk_class(t, "collections", "OrderedDict");
	text_put(t, ")RtR");
	if (param) {
		text_put(t, "\x89");
		pk_class(t, "collections", "OrderedDict");
		text_put(t, ")RtR");
	}
}

void
pk_module(Text *t, const char *name)
{
	pk_class(t, "some.package", name);
	text_put(t, ")\x81}(");
}

void
pk_module_end(Text *t)
{
	text_put(t, "ub");
}

/* ---- zip archives -------------------------------------------------------------------- */

static uint32_t
crc(const uint8_t *p, size_t n)
{
	uint32_t c = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
	}
	return ~c;
}

static Text
zip_deflated(Arena *a, const Part *part, size_t n)
{
	Text t = { .a = a };
	zip_error_t e;
	zip_source_t *to = zip_source_buffer_create(NULL, 0, 0, &e);
	zip_t *z = zip_open_from_source(to, ZIP_TRUNCATE, &e);

	zip_source_keep(to);
	for (size_t i = 0; i < n; i++) {
		zip_source_t *s = zip_source_buffer(z, part[i].data, part[i].len, 0);
		zip_int64_t at = zip_file_add(z, part[i].name, s, 0);
		zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_DEFLATE, 9);
	}
	if (zip_close(z) != 0 || zip_source_open(to) != 0)
		abort();
	char buf[4096];
	for (zip_int64_t k; (k = zip_source_read(to, buf, sizeof(buf))) > 0;)
		text_putn(&t, buf, (size_t)k);
	zip_source_close(to);
	zip_source_free(to);
	return t;
}

Text
zip_build(Arena *a, ZipStyle style, const Part *part, size_t n)
{
	if (style == ZIP_DEFLATED)
		return zip_deflated(a, part, n);
	Text t = { .a = a }, dir = { .a = a };
	bool torch = style == ZIP_TORCH;

	for (size_t i = 0; i < n; i++) {
		size_t at = t.n, name = strlen(part[i].name), len = part[i].len;
		size_t data = at + 30 + name, pad = torch ? 4 + (64 - (data + 4) % 64) % 64 : 0;
		uint32_t sum = crc(part[i].data, len);

		put_le(&t, 0x04034b50, 4);
		put_le(&t, 0, 2);
		put_le(&t, torch ? (len ? 0x808 : 0x800) : 0, 2);
		put_le(&t, 0, 6);                       /* stored; no time, no date */
		put_le(&t, torch ? 0 : sum, 4);
		put_le(&t, torch ? 0 : len, 4);
		put_le(&t, torch ? 0 : len, 4);
		put_le(&t, name, 2);
		put_le(&t, pad, 2);
		text_put(&t, part[i].name);
		if (pad) {
			text_put(&t, "FB");
			put_le(&t, pad - 4, 2);
			for (size_t k = 4; k < pad; k++)
				text_put(&t, "Z");
		}
		text_putn(&t, part[i].data, len);
		if (torch && len) {
			put_le(&t, 0x08074b50, 4);
			put_le(&t, sum, 4);
			put_le(&t, len, 4);
			put_le(&t, len, 4);
		}
		put_le(&dir, 0x02014b50, 4);
		put_le(&dir, 0, 4);
		put_le(&dir, torch ? (len ? 0x808 : 0x800) : 0, 2);
		put_le(&dir, 0, 6);
		put_le(&dir, sum, 4);
		put_le(&dir, len, 4);
		put_le(&dir, len, 4);
		put_le(&dir, name, 2);
		put_le(&dir, 0, 12);
		put_le(&dir, at, 4);
		text_put(&dir, part[i].name);
	}
	size_t at = t.n;
	text_putn(&t, dir.p, dir.n);
	if (torch) {
		size_t end64 = t.n;
		put_le(&t, 0x06064b50, 4);
		put_le(&t, 44, 8);
		put_le(&t, 0, 12);
		put_le(&t, n, 8);
		put_le(&t, n, 8);
		put_le(&t, dir.n, 8);
		put_le(&t, at, 8);
		put_le(&t, 0x07064b50, 4);
		put_le(&t, 0, 4);
		put_le(&t, end64, 8);
		put_le(&t, 1, 4);
	}
	put_le(&t, 0x06054b50, 4);
	put_le(&t, 0, 4);
	put_le(&t, n, 2);
	put_le(&t, n, 2);
	put_le(&t, dir.n, 4);
	put_le(&t, at, 4);
	put_le(&t, 0, 2);
	return t;
}

/* ---- whole files ------------------------------------------------------------------------ */

/*   model.0.conv.weight   f32 [2,1,1,3]      storage 0, elements 2..7
 *   model.0.conv.same     f32 [2], the same storage, elements 0..1
 *   model.0.bn.weight     f16 [3,2], stored transposed in storage 1
 *   model.0.bn.num_batches_tracked  i64, a scalar
 *   model.0.bn.none       f32 [0], a record of no bytes
 * and, to be left out: a bias that is None, a buffer that is not part of the state,
 * the model of key "model" (ema is set), and the tensors of the loss.  The child "0"
 * is in the memo twice, once under a key that holds no module.
 */
Text
tiny_pt(Arena *a, ZipStyle style)
{
	static const float s0[8] = { 9, 8, 1, 2, 3, 4, 5, 6 };
	static const uint16_t s1[6] = { 0x3c00, 0x4000, 0x4200, 0xc400, 0x3800, 0x0001 };
	static const int64_t s2[1] = { 1234567890123 };
	Text t = { .a = a };

	pk_ops(&t, "\x80\x02}(");
	pk_str(&t, "epoch"), pk_int(&t, -1);
	pk_str(&t, "date"), pk_str(&t, "2025-01-01");
	pk_str(&t, "train_args"), pk_ops(&t, "}(");
	pk_str(&t, "imgsz"), pk_int(&t, 320);
	pk_str(&t, "task"), pk_str(&t, "detect");
	pk_ops(&t, "u");
	pk_str(&t, "model"), pk_module(&t, "DetectionModel");
	pk_str(&t, "_parameters"), pk_ops(&t, "}(");
	pk_str(&t, "wrong"), pk_tensor(&t, true, "FloatStorage", "0", 8, 0, 1, (int[]){ 8 }, (int[]){ 1 });
	pk_ops(&t, "u");
	pk_module_end(&t);

	pk_str(&t, "ema"), pk_module(&t, "DetectionModel");
	pk_str(&t, "training"), pk_ops(&t, "\x89");
	pk_str(&t, "_parameters"), pk_ops(&t, "}");
	pk_str(&t, "_buffers"), pk_class(&t, "collections", "OrderedDict"), pk_ops(&t, ")R");
	pk_str(&t, "names"), pk_ops(&t, "}("), pk_int(&t, 1), pk_str(&t, "b");
	pk_int(&t, 0), pk_str(&t, "a\xc3\xa9"), pk_ops(&t, "u");
	pk_str(&t, "stride"), pk_tensor(&t, false, "FloatStorage", "0", 8, 0, 1, (int[]){ 3 }, (int[]){ 1 });
	pk_str(&t, "_modules"), pk_ops(&t, "}(");
	pk_str(&t, "model"), pk_module(&t, "Sequential");
	pk_str(&t, "_modules"), pk_ops(&t, "}(");
	pk_str(&t, "0"), pk_module(&t, "Conv");
	pk_str(&t, "_modules"), pk_ops(&t, "}(");
	pk_str(&t, "conv"), pk_module(&t, "Conv2d");
	pk_str(&t, "_parameters"), pk_ops(&t, "}(");
	pk_str(&t, "weight");
	pk_tensor(&t, true, "FloatStorage", "0", 8, 2, 4, (int[]){ 2, 1, 1, 3 }, (int[]){ 3, 3, 3, 1 });
	pk_str(&t, "bias"), pk_ops(&t, "N");
	pk_str(&t, "same"), pk_tensor(&t, true, "FloatStorage", "0", 8, 0, 1, (int[]){ 2 }, (int[]){ 1 });
	pk_ops(&t, "u");
	pk_str(&t, "_modules"), pk_ops(&t, "}");
	pk_module_end(&t);
	pk_str(&t, "bn"), pk_module(&t, "BatchNorm2d");
	pk_str(&t, "_buffers"), pk_ops(&t, "}(");       /* parameters come first all the same */
	pk_str(&t, "num_batches_tracked"), pk_tensor(&t, false, "LongStorage", "2", 1, 0, 0, NULL, NULL);
	pk_str(&t, "none"), pk_tensor(&t, false, "FloatStorage", "3", 0, 0, 1, (int[]){ 0 }, (int[]){ 1 });
	pk_str(&t, "cache"), pk_tensor(&t, false, "FloatStorage", "0", 8, 0, 1, (int[]){ 2 }, (int[]){ 1 });
	pk_ops(&t, "u");
	pk_str(&t, "_parameters"), pk_ops(&t, "}(");
	pk_str(&t, "weight"), pk_tensor(&t, true, "HalfStorage", "1", 6, 0, 2, (int[]){ 3, 2 }, (int[]){ 1, 3 });
	pk_ops(&t, "u");
	pk_str(&t, "_non_persistent_buffers_set"), pk_class(&t, "__builtin__", "set");
	pk_ops(&t, "(]"), pk_str(&t, "cache"), pk_ops(&t, "atR");
	pk_module_end(&t);
	pk_ops(&t, "u");
	pk_module_end(&t);
	pk_ops(&t, "q\x01");                            /* the dict of "0" has no key of its own to keep */
	pk_str(&t, "1"), pk_module(&t, "Upsample");
	pk_str(&t, "size"), pk_ops(&t, "h\x01");
	pk_module_end(&t);
	pk_ops(&t, "u");
	pk_module_end(&t);
	pk_str(&t, "criterion"), pk_module(&t, "Loss");
	pk_str(&t, "_buffers"), pk_ops(&t, "}(");
	pk_str(&t, "proj"), pk_tensor(&t, false, "FloatStorage", "0", 8, 0, 1, (int[]){ 8 }, (int[]){ 1 });
	pk_ops(&t, "u");
	pk_module_end(&t);
	pk_ops(&t, "u");
	pk_module_end(&t);
	pk_ops(&t, "u.");

	const Part part[] = {
		{ "best/data.pkl", t.p, t.n }, { "best/byteorder", "little", 6 },
		{ "best/data/0", s0, sizeof(s0) }, { "best/data/1", s1, sizeof(s1) },
		{ "best/data/2", s2, sizeof(s2) }, { "best/data/3", "", 0 }, { "best/version", "3\n", 2 },
	};
	return zip_build(a, style, part, COUNT(part));
}

Text
pt_of(Arena *a, const Text *pickle)
{
	static const char zeros[64];
	const Part part[] = { { "x/data.pkl", pickle->p, pickle->n }, { "x/data/0", zeros, sizeof(zeros) } };

	return zip_build(a, ZIP_PLAIN, part, COUNT(part));
}

Text
safetensors_of(Arena *a, const char *header, const void *data, size_t len)
{
	Text t = { .a = a };

	put_le(&t, strlen(header), 8);
	text_put(&t, header);
	text_putn(&t, data, len);
	return t;
}

Weights *
read_copy(Arena *a, const void *p, size_t len, Diag *d)
{
	/* a block of its own: AddressSanitizer sees a read past the end */
	void *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, p, len);
	Weights *w = weights_read(a, "test", copy, len, d);
	for (size_t i = 0; w && i < w->tensor.n; i++) {
		WTensor *t = &w->tensor.p[i];
		t->data = arena_dup(a, t->data, t->count * (size_t)dtype_info[t->dt].bytes);
	}
	free(copy);
	return w;
}

const char *
messages(Arena *a, const Diag *d)
{
	Text t = { .a = a };

	for (size_t i = 0; i < diag_count(d); i++) {
		const DiagMsg *m = diag_get(d, i);
		text_printf(&t, "%s%s\n", m->sev == SEV_NOTE ? "  " : "", m->text);
	}
	return text_str(&t);
}
