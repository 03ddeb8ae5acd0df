# dsl -- scanner, grammar, syntax tree, canonical printer, modules
noinst_LTLIBRARIES += libdsl.la
libdsl_la_SOURCES = dsl/ast.h dsl/ast.def dsl/token.def dsl/parser.h \
	dsl/ast.c dsl/scan.l dsl/layout.c dsl/parse.y dsl/module.c dsl/fmt.c
libdsl_la_LIBADD = libbase.la
BUILT_SOURCES += dsl/parse.h
# BUILT_SOURCES counts for `make all` and `make check` only
dsl/scan.lo dsl/layout.lo dsl/fmt.lo: dsl/parse.h
AM_YFLAGS += -Wno-yacc
