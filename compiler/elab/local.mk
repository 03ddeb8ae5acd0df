# compiler/elab -- syntax tree to graphs; the standard library and the models
noinst_LTLIBRARIES += libelab.la
libelab_la_SOURCES = compiler/elab/elab.h compiler/elab/interp.h compiler/elab/prims.def \
	compiler/elab/value.c compiler/elab/scope.c compiler/elab/interp.c compiler/elab/prims.c \
	compiler/elab/elab.c compiler/elab/model_info.h compiler/elab/model_info.c
libelab_la_LIBADD = libdsl.la libgraph.la libbase.la -lm

y12_library = stdlib/blocks.y12 stdlib/heads.y12 stdlib/picture.y12 stdlib/post.y12 \
	models/yolov12.y12
nobase_pkgdata_DATA += $(y12_library)
EXTRA_DIST += $(y12_library)

