/* What every answer of the fake driver is made of: NVML's types, and the way into a call. */
#ifndef NVML_H
#define NVML_H

#include "state.h"

enum { SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, OUT_OF_MEMORY = 20, ARGUMENT_VERSION_MISMATCH = 25 };

typedef int Return;
typedef void *Device;  /* index + 1: still means the same GPU when another state is put in place */
typedef union { double f64; unsigned u32; unsigned long long u64; } Value;

extern Return failure(Gpu *gpu, int call);
extern Return enter(Device device, int call, State **state, Gpu **gpu);

#define ENTER(call) \
    State *state; Gpu *gpu; \
    Return failed = enter(device, C_##call, &state, &gpu); \
    if (failed) return failed
#define ALSO(call) if ((failed = failure(gpu, C_##call))) return failed

#endif
