# compiler/backend -- kernel IR to LLVM IR to machine code, without a linker
noinst_LTLIBRARIES += libbackend.la
libbackend_la_SOURCES = compiler/backend/backend.h compiler/backend/cache.h compiler/backend/emit.h \
	compiler/backend/link.h compiler/backend/machine.h compiler/backend/pool.h compiler/backend/cache.c compiler/backend/emit.c compiler/backend/host.c \
	compiler/backend/link.c compiler/backend/machine.c compiler/backend/math.c compiler/backend/nvptx.c \
	compiler/backend/pool.c compiler/backend/ptxas.c
libbackend_la_CFLAGS = $(AM_CFLAGS) $(LLVM_CFLAGS)
libbackend_la_LIBADD = libkir.la libtarget.la libbase.la $(LLVM_LIBS) -lpthread

# how fast inner loops run: tests/backend/bench_conv
noinst_PROGRAMS += tests/backend/bench_conv
tests_backend_bench_conv_SOURCES = tests/backend/bench_conv.c tests/backend/run.h
tests_backend_bench_conv_LDADD = libbackend.la

if HAVE_CMOCKA
backend_tests = tests/backend/test_ops tests/backend/test_kernels tests/backend/test_math \
	tests/backend/test_blob tests/backend/test_nvptx
check_PROGRAMS += $(backend_tests)
TESTS += $(backend_tests)
tests_backend_test_ops_SOURCES = tests/backend/test_ops.c tests/backend/run.h
tests_backend_test_ops_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_backend_test_ops_LDADD = libbackend.la $(CMOCKA_LIBS) -lm
tests_backend_test_kernels_SOURCES = tests/backend/test_kernels.c tests/backend/run.h
tests_backend_test_kernels_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_backend_test_kernels_LDADD = libbackend.la $(CMOCKA_LIBS) -lm
tests_backend_test_math_SOURCES = tests/backend/test_math.c tests/backend/run.h
tests_backend_test_math_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_backend_test_math_LDADD = libbackend.la $(CMOCKA_LIBS) -lm
tests_backend_test_blob_SOURCES = tests/backend/test_blob.c tests/backend/run.h
tests_backend_test_blob_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LLVM_CFLAGS)
tests_backend_test_blob_LDADD = libbackend.la $(CMOCKA_LIBS)
tests_backend_test_nvptx_SOURCES = tests/backend/test_nvptx.c tests/backend/gpu.h
tests_backend_test_nvptx_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_backend_test_nvptx_LDADD = libbackend.la $(CMOCKA_LIBS) -lm -ldl
endif
