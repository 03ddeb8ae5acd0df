# compiler/base -- arenas, maps, texts, files, numbers, diagnostics
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = compiler/base/base.h compiler/base/diag.h compiler/base/dtype.def \
	compiler/base/arena.c compiler/base/map.c compiler/base/text.c compiler/base/name.c \
	compiler/base/file.c compiler/base/hash.c compiler/base/dtype.c compiler/base/diag.c
libbase_la_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS)
libbase_la_LIBADD = $(XXHASH_LIBS) -lm

if HAVE_CMOCKA
base_tests = tests/base/test_base tests/base/test_diag
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
tests_base_test_base_SOURCES = tests/base/test_base.c
tests_base_test_base_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_base_test_base_LDADD = libbase.la $(CMOCKA_LIBS)
tests_base_test_diag_SOURCES = tests/base/test_diag.c
tests_base_test_diag_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_base_test_diag_LDADD = libbase.la $(CMOCKA_LIBS)
endif
