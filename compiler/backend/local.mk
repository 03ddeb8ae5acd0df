# compiler/backend -- kernel IR to LLVM IR to machine code, without a linker
noinst_LTLIBRARIES += libbackend.la
libbackend_la_SOURCES = compiler/backend/backend.h compiler/backend/cache.h compiler/backend/emit.h \
	compiler/backend/link.h compiler/backend/machine.h compiler/backend/cache.c compiler/backend/emit.c compiler/backend/host.c \
	compiler/backend/link.c compiler/backend/machine.c compiler/backend/math.c
libbackend_la_CFLAGS = $(AM_CFLAGS) $(LLVM_CFLAGS)
libbackend_la_LIBADD = libkir.la libtarget.la libbase.la $(LLVM_LIBS) -lpthread
