# compiler/graph -- the graph: tables, types, text, checks, reference evaluator
noinst_LTLIBRARIES += libgraph.la
libgraph_la_SOURCES = compiler/graph/graph.h compiler/graph/ops.def compiler/graph/attrs.def \
	compiler/graph/families.def \
	compiler/graph/graph.c compiler/graph/infer.c compiler/graph/print.c compiler/graph/parse.c \
	compiler/graph/verify.c compiler/graph/eval.h compiler/graph/eval.c \
	compiler/graph/eval_point.c compiler/graph/eval_move.c compiler/graph/eval_reduce.c \
	compiler/graph/eval_heavy.c compiler/graph/eval_detect.c
# a product and a sum stay two roundings, on every machine: nms and warp are exact
libgraph_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=off
libgraph_la_LIBADD = libbase.la -lm
