# compiler/passes -- graph to graph, one pass a file
noinst_LTLIBRARIES += libpasses.la
libpasses_la_SOURCES = compiler/passes/passes.h compiler/passes/passes.def compiler/passes/passes.c \
	compiler/passes/build.h compiler/passes/build.c \
	compiler/passes/storage.h compiler/passes/storage.c compiler/passes/live.h compiler/passes/live.c \
	compiler/passes/fold_bn.c compiler/passes/fold_scale.c compiler/passes/decompose.c compiler/passes/simplify.c \
	compiler/passes/fold.c compiler/passes/cse.c compiler/passes/dce.c compiler/passes/sort_channels.c compiler/passes/enlarge.c compiler/passes/layout.c \
	compiler/passes/cancel_permutes.c compiler/passes/hoist.c compiler/passes/expect.c compiler/passes/precision.c compiler/passes/refold.c \
	compiler/passes/merge.c compiler/passes/split.c compiler/passes/repeat.c compiler/passes/fuse.c compiler/passes/position.c compiler/passes/chain.c compiler/passes/pair.c compiler/passes/tile.c compiler/passes/attention_tiles.c compiler/passes/schedule.c compiler/passes/plan.c compiler/passes/chart.c \
	compiler/passes/lanes.h compiler/passes/lanes.c

if HAVE_CMOCKA
passes_tests = tests/passes/test_golden tests/passes/test_random tests/passes/test_models
check_PROGRAMS += $(passes_tests)
TESTS += $(passes_tests)
tests_passes_test_golden_SOURCES = tests/passes/test_golden.c tests/passes/pass_test.h
tests_passes_test_golden_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_passes_test_golden_LDADD = libpasses.la libgraph.la libtarget.la libbase.la $(CMOCKA_LIBS)
tests_passes_test_random_SOURCES = tests/passes/test_random.c tests/passes/pass_test.h tests/passes/machine.h
tests_passes_test_random_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_passes_test_random_LDADD = libpasses.la libgraph.la libtarget.la libbase.la $(CMOCKA_LIBS) -lm
tests_passes_test_models_SOURCES = tests/passes/test_models.c tests/passes/pass_test.h tests/passes/machine.h
tests_passes_test_models_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_passes_test_models_LDADD = libelab.la libdsl.la libpasses.la libgraph.la libtarget.la libbase.la $(CMOCKA_LIBS) -lm
endif
EXTRA_DIST += tests/golden/pass
