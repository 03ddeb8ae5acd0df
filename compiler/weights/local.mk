# compiler/weights -- safetensors and .pt files, and what they belong to
noinst_LTLIBRARIES += libweights.la
libweights_la_SOURCES = compiler/weights/weights.h compiler/weights/internal.h compiler/weights/kin.def \
	compiler/weights/weights.c compiler/weights/family.c compiler/weights/safetensors.c \
	compiler/weights/zip.c compiler/weights/pickle.c compiler/weights/pt.c \
	compiler/weights/bind.c compiler/weights/show.c
libweights_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(ZIP_CFLAGS)
libweights_la_LIBADD = $(JANSSON_LIBS) $(ZIP_LIBS)

if HAVE_CMOCKA
weights_tests = tests/weights/test_weights tests/weights/test_hostile tests/weights/test_reference
check_PROGRAMS += $(weights_tests)
TESTS += $(weights_tests)
weights_test_libs = libweights.la libbase.la $(CMOCKA_LIBS) $(JANSSON_LIBS) $(ZIP_LIBS)
tests_weights_test_weights_SOURCES = tests/weights/test_weights.c tests/weights/build.c tests/weights/build.h
tests_weights_test_weights_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(ZIP_CFLAGS)
tests_weights_test_weights_LDADD = $(weights_test_libs)
tests_weights_test_hostile_SOURCES = tests/weights/test_hostile.c tests/weights/build.c tests/weights/build.h
tests_weights_test_hostile_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(ZIP_CFLAGS)
tests_weights_test_hostile_LDADD = $(weights_test_libs)
tests_weights_test_reference_SOURCES = tests/weights/test_reference.c
tests_weights_test_reference_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_weights_test_reference_LDADD = $(weights_test_libs)
endif
