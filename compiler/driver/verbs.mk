# compiler/driver -- the verbs that look at a network
yolo12c_SOURCES += \
	compiler/driver/verb.h compiler/driver/tensors.h compiler/driver/verb.c compiler/driver/tensors.c \
	compiler/driver/info.c compiler/driver/inspect.c compiler/driver/convert.c compiler/driver/fmt.c \
	compiler/driver/dump.c compiler/driver/run.c compiler/driver/build.c compiler/driver/bench.c \
	compiler/driver/doc.c

check_PROGRAMS += tests/driver/make_weights
TESTS += tests/driver/stages.sh
EXTRA_DIST += tests/driver/stages.sh tests/driver/tiny.y12
tests_driver_make_weights_SOURCES = tests/driver/make_weights.c
tests_driver_make_weights_LDADD = libelab.la libdsl.la libweights.la libgraph.la libbase.la -lm
if HAVE_CMOCKA
check_PROGRAMS += tests/driver/test_npy
TESTS += tests/driver/test_npy
tests_driver_test_npy_SOURCES = tests/driver/test_npy.c compiler/driver/npy.c
tests_driver_test_npy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_driver_test_npy_LDADD = libgraph.la libbase.la $(CMOCKA_LIBS)
endif
