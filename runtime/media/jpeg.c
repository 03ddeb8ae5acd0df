/* jpeg.c -- JPEG in and out, by libjpeg.
 *
 * The library's defaults are what the reference uses: accurate integer inverse
 * DCT, "fancy" (triangle) upsampling of chroma.  Only the ends differ: a file
 * that stops early is no picture (the library would fill up with grey), so the
 * source below suspends at the end instead of inventing an end marker.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "runtime/media/codec.h"

/* What an error needs on its way out; first, so that cinfo->err leads to it. */
typedef struct {
	struct jpeg_error_mgr mgr;
	jmp_buf out;
	char *err;
} Trouble;

static void
on_error(j_common_ptr cinfo)
{
	Trouble *t = (Trouble *)cinfo->err;
	char text[JMSG_LENGTH_MAX];

	t->mgr.format_message(cinfo, text);
	y12_media_fail(t->err, "JPEG: %s", text);
	longjmp(t->out, 1);
}

/* Warnings (a stray byte before a marker, bits out of step) are not shown:
 * the library goes on, as the reference does. */
static void
on_message(j_common_ptr cinfo)
{
	(void)cinfo;
}

static struct jpeg_error_mgr *
trouble_init(Trouble *t, char *err)
{
	t->err = err;
	jpeg_std_error(&t->mgr);
	t->mgr.error_exit = on_error;
	t->mgr.output_message = on_message;
	return &t->mgr;
}

/* ---- reading ---------------------------------------------------------------- */

static void
source_nothing(j_decompress_ptr cinfo)
{
	(void)cinfo;
}

static boolean
source_end(j_decompress_ptr cinfo)
{
	(void)cinfo;
	return FALSE;
}

static void
source_skip(j_decompress_ptr cinfo, long n)
{
	struct jpeg_source_mgr *src = cinfo->src;
	size_t step = n < 0 ? 0 : (size_t)n;

	if (step > src->bytes_in_buffer)
		step = src->bytes_in_buffer;
	src->next_input_byte += step;
	src->bytes_in_buffer -= step;
}

/* A progressive file may ask for a pass over the whole picture with every few
 * bytes; real ones have about ten. */
static void
watch_scans(j_common_ptr cinfo)
{
	enum { MAX_SCANS = 500 };

	if (((j_decompress_ptr)cinfo)->input_scan_number > MAX_SCANS) {
		Trouble *t = (Trouble *)cinfo->err;

		y12_media_fail(t->err, "JPEG: more than %d scans", MAX_SCANS);
		longjmp(t->out, 1);
	}
}

/* Adobe stores CMYK inverted, so 255 is no ink: c and k here are light, not ink. */
static void
cmyk_row(const uint8_t *cmyk, uint8_t *rgb, int width)
{
	for (int x = 0; x < width; x++, cmyk += 4, rgb += 3)
		for (int c = 0; c < 3; c++)
			rgb[c] = (uint8_t)(cmyk[3] - ((255 - cmyk[c]) * cmyk[3] >> 8));
}

static int
orientation(j_decompress_ptr cinfo)
{
	static const char id[6] = "Exif\0";     /* and one byte of padding, any */

	for (jpeg_saved_marker_ptr m = cinfo->marker_list; m; m = m->next)
		if (m->data_length > sizeof id && memcmp(m->data, id, sizeof id - 1) == 0)
			return y12_exif_orientation((y12_bytes){m->data + sizeof id,
			                                        m->data_length - sizeof id});
	return 1;
}

bool
y12_jpeg_read(y12_bytes in, y12_stored *out, char *err)
{
	struct jpeg_decompress_struct cinfo = {0};
	struct jpeg_source_mgr src = {
		.next_input_byte = in.p, .bytes_in_buffer = in.len,
		.init_source = source_nothing, .fill_input_buffer = source_end,
		.skip_input_data = source_skip, .resync_to_restart = jpeg_resync_to_restart,
		.term_source = source_nothing,
	};
	struct jpeg_progress_mgr progress = {.progress_monitor = watch_scans};
	Trouble t;
	uint8_t *volatile row = NULL;
	volatile bool ok = false;

	cinfo.err = trouble_init(&t, err);
	if (setjmp(t.out))
		goto done;
	jpeg_create_decompress(&cinfo);
	cinfo.src = &src;
	cinfo.progress = &progress;
	jpeg_save_markers(&cinfo, JPEG_APP0 + 1, 0xffff);
	if (jpeg_read_header(&cinfo, TRUE) != JPEG_HEADER_OK)
		goto early;
	out->orient = orientation(&cinfo);
	if (!y12_media_size(cinfo.image_width, cinfo.image_height, &out->p, err))
		goto done;
	if (out->head) {
		ok = true;
		goto done;
	}

	const bool cmyk = cinfo.num_components == 4;
	const size_t stride = (size_t)out->p.width * 3;

	cinfo.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
	if (!y12_media_alloc(&out->p, err))
		goto done;
	if (cmyk && !(row = malloc((size_t)out->p.width * 4))) {
		y12_media_fail(err, "out of memory");
		goto done;
	}
	if (!jpeg_start_decompress(&cinfo))
		goto early;
	for (int y = 0; y < out->p.height; y++) {
		uint8_t *to = out->p.rgb + y * stride;
		JSAMPROW line = cmyk ? row : to;

		if (jpeg_read_scanlines(&cinfo, &line, 1) != 1)
			goto early;
		if (cmyk)
			cmyk_row(row, to, out->p.width);
	}
	ok = true;
	goto done;
early:
	y12_media_fail(err, "JPEG: the file ends early");
done:
	free(row);
	jpeg_destroy_decompress(&cinfo);
	return ok;
}

/* ---- writing ---------------------------------------------------------------- */

bool
y12_jpeg_encode(const y12_picture *p, int quality, bool subsample,
                uint8_t **out, size_t *len, char *err)
{
	struct jpeg_compress_struct cinfo = {0};
	Trouble t;
	unsigned char *buf = NULL;      /* the library's address of both, so they are not */
	unsigned long size = 0;         /* in registers when longjmp comes */
	volatile bool ok = false;

	cinfo.err = trouble_init(&t, err);
	if (setjmp(t.out))
		goto done;
	jpeg_create_compress(&cinfo);
	jpeg_mem_dest(&cinfo, &buf, &size);
	cinfo.image_width = p->width;
	cinfo.image_height = p->height;
	cinfo.input_components = 3;
	cinfo.in_color_space = JCS_RGB;
	jpeg_set_defaults(&cinfo);      /* YCbCr, 4:2:0 */
	jpeg_set_quality(&cinfo, quality, TRUE);
	if (!subsample)
		cinfo.comp_info[0].h_samp_factor = cinfo.comp_info[0].v_samp_factor = 1;
	jpeg_start_compress(&cinfo, TRUE);
	for (int y = 0; y < p->height; y++) {
		JSAMPROW line = p->rgb + (size_t)y * p->width * 3;

		jpeg_write_scanlines(&cinfo, &line, 1);
	}
	jpeg_finish_compress(&cinfo);
	ok = true;
done:
	jpeg_destroy_compress(&cinfo);
	if (!ok) {
		free(buf);
		return false;
	}
	*out = buf;
	*len = size;
	return true;
}
