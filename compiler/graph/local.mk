# compiler/graph -- the graph: tables, types, text, checks, reference evaluator
noinst_LTLIBRARIES += libgraph.la
libgraph_la_SOURCES = compiler/graph/graph.h compiler/graph/ops.def compiler/graph/attrs.def \
	compiler/graph/families.def \
	compiler/graph/body.h compiler/graph/body.c \
	compiler/graph/graph.c compiler/graph/infer.c compiler/graph/print.c compiler/graph/parse.c \
	compiler/graph/verify.c compiler/graph/eval.h compiler/graph/eval.c \
	compiler/graph/eval_point.c compiler/graph/eval_move.c compiler/graph/eval_reduce.c \
	compiler/graph/eval_heavy.c compiler/graph/eval_detect.c
# a product and a sum stay two roundings, on every machine: nms and warp are exact
libgraph_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=off
libgraph_la_LIBADD = -lm

if HAVE_CMOCKA
graph_tests = tests/graph/test_graph tests/graph/test_infer tests/graph/test_text \
	tests/graph/test_verify tests/graph/test_eval
check_PROGRAMS += $(graph_tests)
TESTS += $(graph_tests)
tests_graph_test_graph_SOURCES = tests/graph/test_graph.c tests/graph/graph_test.h
tests_graph_test_graph_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_graph_test_graph_LDADD = libgraph.la libbase.la $(CMOCKA_LIBS)
tests_graph_test_infer_SOURCES = tests/graph/test_infer.c tests/graph/graph_test.h
tests_graph_test_infer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_graph_test_infer_LDADD = libgraph.la libbase.la $(CMOCKA_LIBS)
tests_graph_test_text_SOURCES = tests/graph/test_text.c tests/graph/graph_test.h
tests_graph_test_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_graph_test_text_LDADD = libgraph.la libbase.la $(CMOCKA_LIBS)
tests_graph_test_verify_SOURCES = tests/graph/test_verify.c tests/graph/graph_test.h
tests_graph_test_verify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_graph_test_verify_LDADD = libgraph.la libbase.la $(CMOCKA_LIBS)
tests_graph_test_eval_SOURCES = tests/graph/test_eval.c tests/graph/graph_test.h
tests_graph_test_eval_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
tests_graph_test_eval_LDADD = libgraph.la libbase.la $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
endif
EXTRA_DIST += tests/graph/plan.g tests/graph/nms-cases.json tests/graph/letterbox
