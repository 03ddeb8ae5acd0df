# runtime/data -- where pictures come from, and where results go
noinst_LTLIBRARIES += libdata.la
libdata_la_SOURCES = runtime/data/data.h runtime/data/inner.h \
	runtime/data/source.c runtime/data/letterbox.c runtime/data/summary.c runtime/data/labels.c \
	runtime/data/json.c runtime/data/rundir.c runtime/data/out.c
libdata_la_LIBADD = libmedia.la -lm

if HAVE_CMOCKA
data_tests = tests/data/test_source tests/data/test_results
check_PROGRAMS += $(data_tests)
TESTS += $(data_tests)
data_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
data_test_ldadd = libdata.la $(CMOCKA_LIBS) $(JANSSON_LIBS)
tests_data_test_source_SOURCES = tests/data/test_source.c tests/data/scratch.h
tests_data_test_source_CFLAGS = $(data_test_cflags)
tests_data_test_source_LDADD = $(data_test_ldadd)
tests_data_test_results_SOURCES = tests/data/test_results.c tests/data/scratch.h
tests_data_test_results_CFLAGS = $(data_test_cflags)
tests_data_test_results_LDADD = $(data_test_ldadd)
endif
