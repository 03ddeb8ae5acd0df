/* cuda.c -- the device "cuda", by the driver's API.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "runtime/core/engine.h"

static y12_status
cuda_open(y12_engine *e, const y12_options *opt, int number)
{
	(void)opt;
	return y12_fail(e, Y12_NODEVICE, "cuda:%d: this library was built without the CUDA device", number);
}

static void
cuda_close(y12_engine *e)
{
	(void)e;
}

const Device device_cuda = { .name = "cuda", .open = cuda_open, .close = cuda_close };
