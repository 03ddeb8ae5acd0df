# compiler/elab -- syntax tree to graphs; the standard library and the models
noinst_LTLIBRARIES += libelab.la
libelab_la_SOURCES = compiler/elab/elab.h compiler/elab/interp.h compiler/elab/prims.def compiler/elab/settings.def \
	compiler/elab/value.c compiler/elab/scope.c compiler/elab/interp.c compiler/elab/prims.c \
	compiler/elab/attend.c compiler/elab/axes.c compiler/elab/elab.c compiler/elab/declare.c compiler/elab/model_info.h compiler/elab/model_info.c
libelab_la_LIBADD = libdsl.la libgraph.la libbase.la -lm

y12_library = stdlib/attention.y12 stdlib/blocks.y12 stdlib/heads.y12 stdlib/picture.y12 stdlib/post.y12 \
	models/yolov12.y12 models/yolov12-v1.y12 models/yolo12.y12 \
	models/strip-attention.y12 models/relative-bias.y12 models/shared-head.y12
nobase_pkgdata_DATA += $(y12_library) docs/errors.md
EXTRA_DIST += $(y12_library) docs/errors.md

if HAVE_CMOCKA
elab_tests = tests/elab/test_model tests/elab/test_elab tests/elab/test_network tests/elab/test_cases
check_PROGRAMS += $(elab_tests)
TESTS += $(elab_tests)
tests_elab_test_model_SOURCES = tests/elab/test_model.c tests/elab/elab_test.h
tests_elab_test_model_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_elab_test_model_LDADD = libelab.la $(CMOCKA_LIBS)
tests_elab_test_elab_SOURCES = tests/elab/test_elab.c tests/elab/elab_test.h tests/dsl/golden.h
tests_elab_test_elab_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_elab_test_elab_LDADD = libelab.la $(CMOCKA_LIBS)
tests_elab_test_cases_SOURCES = tests/elab/test_cases.c tests/elab/elab_test.h tests/dsl/golden.h
tests_elab_test_cases_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_elab_test_cases_LDADD = libelab.la $(CMOCKA_LIBS)
tests_elab_test_network_SOURCES = tests/elab/test_network.c tests/elab/elab_test.h
tests_elab_test_network_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
tests_elab_test_network_LDADD = libelab.la $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
endif
EXTRA_DIST += tests/elab/yolov12-params.tsv tests/elab/eval_96x64.json \
	tests/elab/first-release.y12 tests/elab/post.y12 tests/elab/info-l.want tests/golden/elab

# random specs through the front end: a sample in check, all of it by fuzz-front (best with --enable-asan)
check_PROGRAMS += tests/dsl/fuzz_front
TESTS += tests/dsl/fuzz_front
tests_dsl_fuzz_front_SOURCES = tests/dsl/fuzz_front.c tests/dsl/gen.c tests/dsl/gen.h
tests_dsl_fuzz_front_LDADD = libelab.la
fuzz-front: tests/dsl/fuzz_front
	srcdir='$(srcdir)' tests/dsl/fuzz_front 10000 100000

# how long the front end takes: the table of docs/benchmarks.md
EXTRA_PROGRAMS += tests/elab/bench_front
tests_elab_bench_front_SOURCES = tests/elab/bench_front.c
tests_elab_bench_front_LDADD = libelab.la
bench-front: tests/elab/bench_front
	srcdir='$(srcdir)' tests/elab/bench_front
.PHONY: fuzz-front bench-front
CLEANFILES += fuzz-front.y12 tests/elab/bench_front
