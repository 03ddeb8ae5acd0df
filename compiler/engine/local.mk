# compiler/engine -- programs, and what they are written as
noinst_LTLIBRARIES += libengine.la
libengine_la_SOURCES = \
	compiler/engine/program.h compiler/engine/consts.h \
	compiler/engine/program.c compiler/engine/text.c \
	compiler/engine/interpret.c compiler/engine/image.c compiler/engine/view.c
