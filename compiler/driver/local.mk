# compiler/driver -- the yolo12c command
bin_PROGRAMS += yolo12c
driver_compile = \
	compiler/driver/compile.h compiler/driver/inner.h compiler/driver/stage.h compiler/driver/npy.h \
	compiler/driver/compile.c compiler/driver/code.c compiler/driver/random_weights.c compiler/driver/tune_table.h compiler/driver/tune_table.c compiler/driver/cached.c compiler/driver/frontend.c \
	compiler/driver/stage.c compiler/driver/npy.c
driver_command = \
	compiler/driver/options.h compiler/driver/options.def compiler/driver/verbs.def \
	compiler/driver/help.h compiler/driver/ui.h compiler/driver/detector.h compiler/driver/save.h \
	compiler/driver/main.c compiler/driver/options.c compiler/driver/help.c compiler/driver/ui.c \
	compiler/driver/detector.c compiler/driver/save.c compiler/driver/predict.c \
	compiler/driver/doctor.c
yolo12c_SOURCES = $(driver_command) $(driver_compile)
yolo12c_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
# users before what they use
yolo12c_LDADD = libengine.la libbackend.la liblower.la libpasses.la libelab.la libdsl.la \
	libweights.la libkir.la libgraph.la libtarget.la libbase.la \
	libdata.la libmedia.la libcore.la $(JANSSON_LIBS) -ldl -lpthread -lm

if HAVE_CMOCKA
check_PROGRAMS += tests/driver/test_options
TESTS += tests/driver/test_options
tests_driver_test_options_SOURCES = tests/driver/test_options.c compiler/driver/options.c
tests_driver_test_options_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_driver_test_options_LDADD = libbase.la $(CMOCKA_LIBS)
endif

include compiler/driver/verbs.mk
