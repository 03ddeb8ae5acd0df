# tests/cuda -- the CUDA device by a stand-in driver; see standin.h
if HAVE_CMOCKA
if CUDA
# -rpath makes it a shared library although it is never installed
check_LTLIBRARIES += tests/cuda/libcuda_standin.la
tests_cuda_libcuda_standin_la_SOURCES = tests/cuda/libcuda_standin.c tests/cuda/standin.h
tests_cuda_libcuda_standin_la_LIBADD = libkir.la -lpthread
tests_cuda_libcuda_standin_la_LDFLAGS = -module -avoid-version -rpath $(abs_builddir)/tests/cuda

check_PROGRAMS += tests/cuda/test_cuda
TESTS += tests/cuda/test_cuda
tests_cuda_test_cuda_SOURCES = tests/cuda/test_cuda.c tests/cuda/standin.h
tests_cuda_test_cuda_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
TESTS += tests/cuda/predict.sh tests/cuda/verbs.sh tests/cuda/assemble.sh
tests_cuda_test_cuda_LDADD = libengine.la libkir.la libgraph.la libtarget.la libbase.la libcore.la $(CMOCKA_LIBS)
endif
endif
EXTRA_DIST += bench/gpu_run.c tests/cuda/predict.sh tests/cuda/verbs.sh tests/cuda/assemble.sh
