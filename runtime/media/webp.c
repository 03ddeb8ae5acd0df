/* webp.c -- WebP in, by libwebp.  Alpha is dropped, an EXIF chunk is not read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <webp/decode.h>

#include "runtime/media/codec.h"

static const char *
status_text(VP8StatusCode s)
{
	switch (s) {
	case VP8_STATUS_NOT_ENOUGH_DATA: return "the file ends early";
	case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
	case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that the library does not read";
	default: return "damaged";
	}
}

bool
y12_webp_read(y12_bytes in, y12_stored *out, char *err)
{
	WebPDecoderConfig cfg;

	if (!WebPInitDecoderConfig(&cfg))
		return y12_media_fail(err, "WebP: the library is of another version than its header");
	VP8StatusCode s = WebPGetFeatures(in.p, in.len, &cfg.input);

	if (s != VP8_STATUS_OK)
		return y12_media_fail(err, "WebP: %s", status_text(s));
	if (!y12_media_size(cfg.input.width, cfg.input.height, &out->p, err))
		return false;
	if (cfg.input.has_animation)
		return y12_media_fail(err, "WebP: an animation; only single pictures are read");
	if (out->head)
		return true;
	if (!y12_media_alloc(&out->p, err))
		return false;
	cfg.output.colorspace = MODE_RGB;
	cfg.output.is_external_memory = 1;
	cfg.output.u.RGBA.rgba = out->p.rgb;
	cfg.output.u.RGBA.stride = out->p.width * 3;
	cfg.output.u.RGBA.size = (size_t)out->p.width * 3 * out->p.height;
	s = WebPDecode(in.p, in.len, &cfg);
	WebPFreeDecBuffer(&cfg.output);
	return s == VP8_STATUS_OK || y12_media_fail(err, "WebP: %s", status_text(s));
}
