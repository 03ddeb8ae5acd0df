# tests/models -- networks of models/ as kernels, and the specs of ours beside plain compositions
if HAVE_CMOCKA
check_PROGRAMS += tests/models/test_own tests/models/bench_attention
TESTS += tests/models/test_own
tests_models_test_own_SOURCES = tests/models/test_own.c tests/models/host.h tests/elab/elab_test.h
tests_models_test_own_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_models_test_own_LDADD = libelab.la libdsl.la $(middle_libs) libyolo12c.la $(CMOCKA_LIBS) -lm
tests_models_bench_attention_SOURCES = tests/models/bench_attention.c tests/models/host.h tests/elab/elab_test.h
tests_models_bench_attention_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_models_bench_attention_LDADD = libelab.la libdsl.la $(middle_libs) libyolo12c.la $(CMOCKA_LIBS) -lm
endif
EXTRA_DIST += tests/models/bench-attention.y12 tests/models/strip-attention.plain tests/models/relative-bias.plain tests/models/shared-head.plain
