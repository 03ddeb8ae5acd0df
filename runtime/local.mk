# runtime -- runs engines; the library that others link, and what yolo12c needs beside it.
include runtime/media/local.mk
include runtime/data/local.mk

core_sources = runtime/yolo12c.h runtime/core/engine.h runtime/core/format.h \
	runtime/core/open.c runtime/core/run.c runtime/core/host.c runtime/core/pool.c \
	runtime/core/cuda.h runtime/core/cuda.def runtime/core/cuda.c runtime/core/cuda_code.c \
	runtime/core/cuda_driver.c

# libcore.la is for our own programs and tests, which then need no installed library.
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = $(core_sources)
libcore_la_LIBADD = -lpthread -ldl

lib_LTLIBRARIES += libyolo12c.la
libyolo12c_la_SOURCES =
libyolo12c_la_LIBADD = libcore.la
libyolo12c_la_LDFLAGS = -version-info 0:0:0 -no-undefined
include_HEADERS += runtime/yolo12c.h

if HAVE_CMOCKA
core_tests = tests/core/test_pool tests/core/test_engine
check_PROGRAMS += $(core_tests)
TESTS += $(core_tests)
tests_core_test_pool_SOURCES = tests/core/test_pool.c
tests_core_test_pool_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_core_test_pool_LDADD = libcore.la $(CMOCKA_LIBS)
tests_core_test_engine_SOURCES = tests/core/test_engine.c tests/core/image.h
tests_core_test_engine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_core_test_engine_LDADD = libcore.la $(CMOCKA_LIBS)
endif
