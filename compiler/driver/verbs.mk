# compiler/driver -- the verbs that look at a network
yolo12c_SOURCES += \
	compiler/driver/verb.h compiler/driver/tensors.h compiler/driver/verb.c compiler/driver/tensors.c \
	compiler/driver/info.c compiler/driver/inspect.c compiler/driver/convert.c compiler/driver/fmt.c \
	compiler/driver/dump.c compiler/driver/run.c compiler/driver/build.c compiler/driver/bench.c \
	compiler/driver/doc.c
