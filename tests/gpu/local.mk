# tests/gpu -- on a machine that has one: make check-gpu [GPU=cuda:1]
noinst_PROGRAMS += tests/gpu/check_gpu
tests_gpu_check_gpu_SOURCES = tests/gpu/check_gpu.c $(driver_compile)
tests_gpu_check_gpu_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_gpu_check_gpu_LDADD = libengine.la libbackend.la liblower.la libpasses.la libelab.la libdsl.la \
	libweights.la libkir.la libgraph.la libtarget.la libbase.la libcore.la $(JANSSON_LIBS) -ldl -lpthread -lm

GPU = cuda:0
.PHONY: check-gpu
check-gpu: tests/gpu/check_gpu
	srcdir='$(srcdir)' tests/gpu/check_gpu device=$(GPU)

EXTRA_DIST += bench/package_gpu.sh bench/torch_peer.py
