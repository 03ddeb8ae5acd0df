# tests/reference -- the reference implementation's numbers, met by compiled code
if HAVE_CMOCKA
reference_tests = tests/reference/test_layers tests/reference/test_pixels tests/reference/test_predict
check_PROGRAMS += $(reference_tests)
TESTS += $(reference_tests)
reference_kit = tests/reference/reference.h tests/reference/reference.c $(driver_compile)
reference_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
reference_ldadd = libengine.la libbackend.la liblower.la libpasses.la libelab.la libdsl.la \
	libweights.la libkir.la libgraph.la libtarget.la libbase.la libdata.la libmedia.la libcore.la \
	$(CMOCKA_LIBS) $(JANSSON_LIBS) -ldl -lpthread -lm
tests_reference_test_layers_SOURCES = tests/reference/test_layers.c $(reference_kit)
tests_reference_test_layers_CFLAGS = $(reference_cflags)
tests_reference_test_layers_LDADD = $(reference_ldadd)
tests_reference_test_pixels_SOURCES = tests/reference/test_pixels.c $(reference_kit)
tests_reference_test_pixels_CFLAGS = $(reference_cflags)
tests_reference_test_pixels_LDADD = $(reference_ldadd)
tests_reference_test_predict_SOURCES = tests/reference/test_predict.c $(reference_kit)
tests_reference_test_predict_CFLAGS = $(reference_cflags)
tests_reference_test_predict_LDADD = $(reference_ldadd)
endif
EXTRA_DIST += tests/reference/demo.json
