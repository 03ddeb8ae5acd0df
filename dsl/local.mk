# dsl -- scanner, grammar, syntax tree, canonical printer, modules
noinst_LTLIBRARIES += libdsl.la
libdsl_la_SOURCES = dsl/ast.h dsl/ast.def dsl/token.def dsl/parser.h \
	dsl/ast.c dsl/scan.l dsl/layout.c dsl/parse.y dsl/module.c
libdsl_la_LIBADD = libbase.la
# what flex and bison leave is theirs; only our own part is held to our warnings
libdsl_la_CFLAGS = $(AM_CFLAGS) -Wno-unused-function
BUILT_SOURCES += dsl/parse.h
