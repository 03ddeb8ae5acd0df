# tests -- what spans rooms; each room's own tests are listed in its fragment.
AM_TESTS_ENVIRONMENT = srcdir='$(srcdir)'; builddir='$(builddir)'; export srcdir builddir; \
	LSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/lsan.supp:print_suppressions=0"; export LSAN_OPTIONS;
EXTRA_DIST += tests/lsan.supp

# from graphs to the runtime: what a test that runs kernels links
middle_libs = liblower.la libpasses.la libengine.la libbackend.la libkir.la libgraph.la libtarget.la \
	libbase.la

if HAVE_CMOCKA
check_PROGRAMS += tests/numeric/test_numeric
TESTS += tests/numeric/test_numeric
tests_numeric_test_numeric_SOURCES = tests/numeric/test_numeric.c
tests_numeric_test_numeric_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_numeric_test_numeric_LDADD = $(middle_libs) libyolo12c.la $(CMOCKA_LIBS)
endif
EXTRA_DIST += $(srcdir)/tests/numeric/*.g

include tests/cuda/local.mk

# the demo: weights of our own, and photographs to use them on
demo_data = models/weights/codes-n.safetensors models/weights/LICENCE \
	examples/pictures/4_barcodes.jpg examples/pictures/choriginal.jpg \
	examples/pictures/diamondmarkers.jpg examples/pictures/singlemarkersoriginal.jpg \
	examples/pictures/LICENCE
nobase_pkgdata_DATA += $(demo_data)
EXTRA_DIST += $(demo_data) \
	examples/pictures/4_barcodes.txt examples/pictures/choriginal.txt \
	examples/pictures/diamondmarkers.txt examples/pictures/singlemarkersoriginal.txt

include tests/reference/local.mk

include tests/gpu/local.mk

include tests/models/local.mk
include tests/lint/local.mk

# golden texts made anew, for git diff to review
golden_tests = tests/dsl/test_golden tests/elab/test_elab tests/elab/test_model tests/passes/test_golden
.PHONY: bless
bless: $(golden_tests)
	@for t in $(golden_tests); do \
		$(AM_TESTS_ENVIRONMENT) BLESS=1 ./$$t >bless.log 2>&1 || { echo "$$t still fails:"; tail -n 20 bless.log; }; \
	done; rm -f bless.log
