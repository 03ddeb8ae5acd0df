# compiler/kir -- kernel IR: builder, text, checks, simplifier, interpreter
noinst_LTLIBRARIES += libkir.la
libkir_la_SOURCES = compiler/kir/kir.h compiler/kir/kops.def compiler/kir/inner.h \
	compiler/kir/kir.c compiler/kir/eval.c compiler/kir/fold.c compiler/kir/build.c \
	compiler/kir/print.c compiler/kir/parse.c compiler/kir/verify.c \
	compiler/kir/simplify.c compiler/kir/interp.c compiler/kir/async.c compiler/kir/run.h
libkir_la_LIBADD = libbase.la -lm

if HAVE_CMOCKA
kir_tests = tests/kir/test_build tests/kir/test_text tests/kir/test_verify \
	tests/kir/test_interp tests/kir/test_async tests/kir/test_simplify
check_PROGRAMS += $(kir_tests)
TESTS += $(kir_tests)
tests_kir_test_build_SOURCES = tests/kir/test_build.c tests/kir/kit.h
tests_kir_test_build_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_kir_test_build_LDADD = libkir.la $(CMOCKA_LIBS)
tests_kir_test_text_SOURCES = tests/kir/test_text.c tests/kir/kit.h tests/kir/random.h
tests_kir_test_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_kir_test_text_LDADD = libkir.la $(CMOCKA_LIBS)
tests_kir_test_verify_SOURCES = tests/kir/test_verify.c tests/kir/kit.h
tests_kir_test_verify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_kir_test_verify_LDADD = libkir.la $(CMOCKA_LIBS)
tests_kir_test_interp_SOURCES = tests/kir/test_interp.c tests/kir/kit.h
tests_kir_test_interp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_kir_test_interp_LDADD = libkir.la $(CMOCKA_LIBS) -lm
tests_kir_test_async_SOURCES = tests/kir/test_async.c tests/kir/kit.h
tests_kir_test_async_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_kir_test_async_LDADD = libkir.la $(CMOCKA_LIBS) -lm
tests_kir_test_simplify_SOURCES = tests/kir/test_simplify.c tests/kir/kit.h tests/kir/random.h
tests_kir_test_simplify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_kir_test_simplify_LDADD = libkir.la $(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/kir/golden/all.k \
	tests/kir/golden/flow.k tests/kir/golden/flow.want \
	tests/kir/golden/fold.k tests/kir/golden/fold.want \
	tests/kir/golden/hoist.k tests/kir/golden/hoist.want \
	tests/kir/golden/join.k tests/kir/golden/join.want \
	tests/kir/golden/threads.k tests/kir/golden/threads.want \
	tests/kir/golden/vars.k tests/kir/golden/vars.want
