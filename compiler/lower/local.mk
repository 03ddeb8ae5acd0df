# compiler/lower -- a planned group becomes kernels, one family a file
noinst_LTLIBRARIES += liblower.la
liblower_la_SOURCES = \
	compiler/lower/lower.h compiler/lower/gen.h \
	compiler/lower/lower.c compiler/lower/tune.c compiler/lower/gen.c \
	compiler/lower/conv.c compiler/lower/conv_mma.h compiler/lower/conv_mma.c compiler/lower/conv_wgmma.c compiler/lower/conv_patch.h compiler/lower/conv_patch.c compiler/lower/chain.c compiler/lower/pair.c compiler/lower/depthwise.h compiler/lower/depthwise.c compiler/lower/depthwise_patch.c compiler/lower/attention.h compiler/lower/attention.c \
	compiler/lower/attention_gpu.h compiler/lower/attention_gpu.c compiler/lower/attention_groups.c compiler/lower/attention_filter.c compiler/lower/attention_plain.c \
	compiler/lower/attention_body.h compiler/lower/attention_body.c \
	compiler/lower/matmul.c compiler/lower/pool.c compiler/lower/point.c \
	compiler/lower/reduce.c compiler/lower/gather.c compiler/lower/fit.c \
	compiler/lower/warp.c compiler/lower/topk.c compiler/lower/nms.h compiler/lower/nms.c \
	compiler/lower/nms_gpu.c
