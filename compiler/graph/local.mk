# compiler/graph -- the graph: tables, types, text, checks, reference evaluator
noinst_LTLIBRARIES += libgraph.la
libgraph_la_SOURCES = compiler/graph/graph.h compiler/graph/ops.def compiler/graph/attrs.def \
	compiler/graph/families.def \
	compiler/graph/graph.c compiler/graph/infer.c compiler/graph/print.c compiler/graph/parse.c \
	compiler/graph/verify.c
libgraph_la_LIBADD = libbase.la -lm
