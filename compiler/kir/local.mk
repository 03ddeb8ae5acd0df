# compiler/kir -- kernel IR: builder, text, checks, simplifier, interpreter
noinst_LTLIBRARIES += libkir.la
libkir_la_SOURCES = compiler/kir/kir.h compiler/kir/kops.def compiler/kir/inner.h \
	compiler/kir/kir.c compiler/kir/eval.c compiler/kir/fold.c compiler/kir/build.c \
	compiler/kir/print.c compiler/kir/verify.c compiler/kir/parse.c \
	compiler/kir/interp.c
libkir_la_LIBADD = libbase.la -lm
