# dsl -- scanner, grammar, syntax tree, canonical printer, modules
noinst_LTLIBRARIES += libdsl.la
libdsl_la_SOURCES = dsl/ast.h dsl/ast.def dsl/token.def dsl/parser.h \
	dsl/ast.c dsl/scan.l dsl/layout.c dsl/parse.y dsl/module.c dsl/fmt.c
libdsl_la_LIBADD = libbase.la
BUILT_SOURCES += dsl/parse.h
# BUILT_SOURCES counts for `make all` and `make check` only
dsl/scan.lo dsl/layout.lo dsl/fmt.lo: dsl/parse.h
AM_YFLAGS += -Wno-yacc

if HAVE_CMOCKA
dsl_tests = tests/dsl/test_golden tests/dsl/test_dsl
check_PROGRAMS += $(dsl_tests)
TESTS += $(dsl_tests)
tests_dsl_test_golden_SOURCES = tests/dsl/test_golden.c tests/dsl/golden.h
tests_dsl_test_golden_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_dsl_test_golden_LDADD = libdsl.la libbase.la $(CMOCKA_LIBS)
tests_dsl_test_dsl_SOURCES = tests/dsl/test_dsl.c tests/dsl/golden.h
tests_dsl_test_dsl_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_dsl_test_dsl_LDADD = libdsl.la libbase.la $(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/golden/ast tests/golden/fmt tests/golden/err tests/dsl/modules docs/language.md

# editors
y12_editors = editors/README.md editors/y12.tmLanguage.json editors/vim/syntax/y12.vim editors/vim/ftdetect/y12.vim
nobase_pkgdata_DATA += $(y12_editors)
TESTS += tests/dsl/editors.sh
EXTRA_DIST += $(y12_editors) tests/dsl/editors.sh tests/dsl/editors.py
