# tests/gpu -- on a machine that has one: make check-gpu [GPU=cuda:1]
noinst_PROGRAMS += tests/gpu/check_gpu
tests_gpu_check_gpu_SOURCES = tests/gpu/check_gpu.c $(driver_compile)
tests_gpu_check_gpu_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_gpu_check_gpu_LDADD = libengine.la libbackend.la liblower.la libpasses.la libelab.la libdsl.la \
	libweights.la libkir.la libgraph.la libtarget.la libbase.la libmedia.la libcore.la $(JANSSON_LIBS) -ldl -lpthread -lm

GPU = cuda:0
.PHONY: check-gpu
check-gpu: tests/gpu/check_gpu
	srcdir='$(srcdir)' tests/gpu/check_gpu device=$(GPU)

EXTRA_DIST += tests/gpu/mma-s8.k tests/gpu/mma-tf32.k tests/gpu/lost.k bench/package_gpu.sh bench/torch_peer.py

# bench-gpu: beside PyTorch, as JSON in $(BENCH_JSON)
BENCH_JSON = bench-gpu.json
.PHONY: bench-gpu
bench-gpu: yolo12c
	$(PYTHON3) $(srcdir)/bench/gpu.py yolo12c=./yolo12c json=$(BENCH_JSON) $(BENCH_OPTIONS)
EXTRA_DIST += bench/gpu.py
