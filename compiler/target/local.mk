# compiler/target -- machines as rows of data
noinst_LTLIBRARIES += libtarget.la
libtarget_la_SOURCES = compiler/target/target.h compiler/target/targets.def \
	compiler/target/target.c
libtarget_la_LIBADD = libbase.la

# tiles that were measured, for the targets of which there was a card
tuned_tiles = compiler/target/tune/sm_90a.tune
nobase_pkgdata_DATA += $(tuned_tiles)
EXTRA_DIST += $(tuned_tiles)

if HAVE_CMOCKA
check_PROGRAMS += tests/target/test_target
TESTS += tests/target/test_target
tests_target_test_target_SOURCES = tests/target/test_target.c
tests_target_test_target_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_target_test_target_LDADD = libtarget.la $(CMOCKA_LIBS)
endif
