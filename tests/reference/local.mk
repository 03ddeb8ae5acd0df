# tests/reference -- the reference implementation's numbers, met by compiled code
if HAVE_CMOCKA
check_LTLIBRARIES += tests/reference/libreference.la
tests_reference_libreference_la_SOURCES = tests/reference/reference.h tests/reference/reference.c $(driver_compile)
tests_reference_libreference_la_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
tests_reference_libreference_la_LIBADD = libengine.la libbackend.la liblower.la libpasses.la libelab.la libdsl.la \
	libweights.la libkir.la libgraph.la libtarget.la libbase.la libdata.la libmedia.la libcore.la \
	$(CMOCKA_LIBS) $(JANSSON_LIBS) -ldl -lpthread -lm

reference_tests = tests/reference/test_layers tests/reference/test_pixels tests/reference/test_predict \
	tests/reference/test_memory
reference_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
check_PROGRAMS += $(reference_tests)
TESTS += $(reference_tests)
tests_reference_test_layers_SOURCES = tests/reference/test_layers.c
tests_reference_test_layers_CFLAGS = $(reference_cflags)
tests_reference_test_layers_LDADD = tests/reference/libreference.la
tests_reference_test_pixels_SOURCES = tests/reference/test_pixels.c
tests_reference_test_pixels_CFLAGS = $(reference_cflags)
tests_reference_test_pixels_LDADD = tests/reference/libreference.la
tests_reference_test_predict_SOURCES = tests/reference/test_predict.c
tests_reference_test_predict_CFLAGS = $(reference_cflags)
tests_reference_test_predict_LDADD = tests/reference/libreference.la
tests_reference_test_memory_SOURCES = tests/reference/test_memory.c
tests_reference_test_memory_CFLAGS = $(reference_cflags)
tests_reference_test_memory_LDADD = tests/reference/libreference.la
endif
TESTS += tests/reference/stages.sh
EXTRA_DIST += tests/reference/stages.sh tests/reference/demo.json
