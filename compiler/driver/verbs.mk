# compiler/driver -- the verbs that look at a network
yolo12c_SOURCES += \
	compiler/driver/verb.h compiler/driver/tensors.h compiler/driver/verb.c compiler/driver/tensors.c \
	compiler/driver/info.c compiler/driver/inspect.c compiler/driver/convert.c compiler/driver/fmt.c \
	compiler/driver/dump.c compiler/driver/run.c compiler/driver/build.c compiler/driver/bench.c \
	compiler/driver/bench.h compiler/driver/bench_gpu.c compiler/driver/ceilings.h compiler/driver/ceilings.c compiler/driver/work.h compiler/driver/work.c compiler/driver/tune.c \
	compiler/driver/doc.c compiler/driver/check.c compiler/driver/explain.c compiler/driver/complete.c

check_PROGRAMS += tests/driver/make_weights
TESTS += tests/driver/predict.sh tests/driver/stages.sh tests/driver/front.sh
EXTRA_DIST += tests/driver/predict.sh tests/driver/stages.sh tests/driver/front.sh tests/driver/tiny.y12
tests_driver_make_weights_SOURCES = tests/driver/make_weights.c
tests_driver_make_weights_LDADD = libelab.la libdsl.la libweights.la libgraph.la libbase.la -lm
if HAVE_CMOCKA
check_PROGRAMS += tests/driver/test_npy
TESTS += tests/driver/test_npy
tests_driver_test_npy_SOURCES = tests/driver/test_npy.c compiler/driver/npy.c
tests_driver_test_npy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_driver_test_npy_LDADD = libgraph.la libbase.la $(CMOCKA_LIBS)
endif

# Beside ONNX Runtime (packages onnxruntime and numpy): make bench WEIGHTS=best.pt ONNX=best.onnx
# and, if wanted, BENCH_OPTIONS="scale=n rounds=20".  Without ONNX= only yolo12c is measured.
EXTRA_DIST += bench/onnxruntime.py
PYTHON3 = python3
.PHONY: bench
bench: yolo12c
	@test -n "$(WEIGHTS)" || { echo 'write: make bench WEIGHTS=FILE.pt [ONNX=FILE.onnx]' >&2; exit 2; }
	@if test -n "$(ONNX)"; then \
		$(PYTHON3) $(srcdir)/bench/onnxruntime.py yolo12c=./yolo12c weights="$(WEIGHTS)" onnx="$(ONNX)" $(BENCH_OPTIONS); \
	else \
		./yolo12c bench model=yolov12 weights="$(WEIGHTS)" profile=true $(BENCH_OPTIONS); \
	fi
