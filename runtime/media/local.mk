# runtime/media -- pictures: read, draw on, write
noinst_LTLIBRARIES += libmedia.la
libmedia_la_SOURCES = runtime/media/media.h runtime/media/codec.h \
	runtime/media/picture.c runtime/media/exif.c runtime/media/jpeg.c runtime/media/png.c \
	runtime/media/webp.c runtime/media/bmp.c runtime/media/tiff.c runtime/media/draw.c
libmedia_la_CFLAGS = $(AM_CFLAGS) $(JPEG_CFLAGS) $(PNG_CFLAGS) $(WEBP_CFLAGS) $(TIFF_CFLAGS) \
	$(CAIRO_CFLAGS)
libmedia_la_LIBADD = $(JPEG_LIBS) $(PNG_LIBS) $(WEBP_LIBS) $(TIFF_LIBS) $(CAIRO_LIBS) -lm

EXTRA_DIST += tests/media/common.h tests/media/decode tests/media/more

if HAVE_CMOCKA
media_tests = tests/media/test_decode tests/media/test_hostile tests/media/test_write \
	tests/media/test_draw
check_PROGRAMS += $(media_tests)
TESTS += $(media_tests)
media_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
media_test_ldadd = libmedia.la $(CMOCKA_LIBS)
tests_media_test_decode_SOURCES = tests/media/test_decode.c
tests_media_test_decode_CFLAGS = $(media_test_cflags) $(JANSSON_CFLAGS) $(PNG_CFLAGS)
tests_media_test_decode_LDADD = $(media_test_ldadd) $(JANSSON_LIBS) $(PNG_LIBS)
tests_media_test_hostile_SOURCES = tests/media/test_hostile.c
tests_media_test_hostile_CFLAGS = $(media_test_cflags)
tests_media_test_hostile_LDADD = $(media_test_ldadd)
tests_media_test_write_SOURCES = tests/media/test_write.c
tests_media_test_write_CFLAGS = $(media_test_cflags)
tests_media_test_write_LDADD = $(media_test_ldadd)
tests_media_test_draw_SOURCES = tests/media/test_draw.c
tests_media_test_draw_CFLAGS = $(media_test_cflags)
tests_media_test_draw_LDADD = $(media_test_ldadd)
endif
