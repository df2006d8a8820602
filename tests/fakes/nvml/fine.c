/* The driver's own samples of power (nvmlDeviceGetSamples), and GPM: activity between two samples. */
#include <math.h>
#include <stdlib.h>

#include "nvml.h"

#define NS 1000000000LL
#define NUM_KEPT 119  /* as an H100 keeps: 2.4 s */

/* Wall clock minus the instants that the GPUs live in. */
static int64_t wall_offset_ns(State *state, const Gpu *gpu) {
    return state->wall_offset_ns + (int64_t)gpu->properties[P_wall_offset_ns];
}

/* ---- power samples ---- */

typedef struct { unsigned long long timestamp_us; Value value; } Sample;

Return nvmlDeviceGetSamples(
    Device device, unsigned kind, unsigned long long after_us, unsigned *type, unsigned *count, Sample *samples
) {
    ENTER(samples);
    if (kind != 0) return NOT_SUPPORTED;  /* 0: total power */
    *type = 1;  /* unsigned int */
    if (!samples) {
        *count = NUM_KEPT;
        return SUCCESS;
    }
    lock_state(state);
    const Sensor *sensor = &gpu->sensors[S_power_sample];
    int64_t offset_ns = wall_offset_ns(state, gpu), newest = last_update(sensor, fake_now(state));
    unsigned given = *count, found = 0;
    for (int64_t update = newest - NUM_KEPT + 1; update <= newest && found < given; update++) {
        int64_t instant_ns = update_ns(sensor, update);
        unsigned long long stamp_us = (unsigned long long)((instant_ns + offset_ns) / 1000);
        if (instant_ns < state->origin_ns || stamp_us <= after_us) continue;
        samples[found].timestamp_us = stamp_us;
        samples[found++].value.u64 = (unsigned)(sensor_value(state, gpu, S_power_sample, instant_ns) * 1000);
    }
    unlock_state(state);
    *count = found;
    return found ? SUCCESS : NOT_FOUND;
}

/* ---- GPM ---- */

enum { GPM_VERSION = 1, SM_UTIL = 2, ANY_TENSOR_UTIL = 5, DRAM_BW_UTIL = 10 };
typedef struct { int64_t refresh; double busy_s; const Gpu *gpu; } GpmSample;
typedef struct { unsigned id; Return error; double value; const char *names[3]; } GpmMetric;
typedef struct { unsigned version, count; GpmSample *first, *second; GpmMetric metrics[]; } GpmMetrics;

Return nvmlGpmQueryDeviceSupport(Device device, unsigned *version_and_answer) {
    ENTER(identity);
    if (version_and_answer[0] != GPM_VERSION) return ARGUMENT_VERSION_MISMATCH;
    version_and_answer[1] = gpu->properties[P_gpm_supported] > 0;
    return SUCCESS;
}
Return nvmlGpmSampleAlloc(GpmSample **sample) {
    *sample = calloc(1, sizeof **sample);
    return *sample ? SUCCESS : OUT_OF_MEMORY;
}
Return nvmlGpmSampleFree(GpmSample *sample) {
    free(sample);
    return SUCCESS;
}
Return nvmlGpmSampleGet(Device device, GpmSample *sample) {
    ENTER(gpm);
    if (gpu->properties[P_gpm_supported] == 0 || gpu->properties[P_mig] > 0) return NOT_SUPPORTED;
    lock_state(state);
    const Sensor *sensor = &gpu->sensors[S_gpm];
    int64_t refresh = last_update(sensor, fake_now(state));
    *sample = (GpmSample){refresh, busy_s(gpu, update_ns(sensor, refresh)), gpu};
    unlock_state(state);
    return SUCCESS;
}
/* Busy time of the GPU times what each part does of it. Without a refresh in between: 0 and NaN, as a real one answers. */
Return nvmlGpmMetricsGet(GpmMetrics *asked) {
    if (asked->version != GPM_VERSION) return ARGUMENT_VERSION_MISMATCH;
    if (!asked->first || !asked->second || asked->first->gpu != asked->second->gpu) return INVALID_ARGUMENT;
    const Gpu *gpu = asked->second->gpu;
    const Sensor *sensor = &gpu->sensors[S_gpm];
    double elapsed_s = (double)(update_ns(sensor, asked->second->refresh) - update_ns(sensor, asked->first->refresh)) / NS;
    double busy = (asked->second->busy_s - asked->first->busy_s) / elapsed_s;
    for (unsigned i = 0; i < asked->count; i++) {
        GpmMetric *metric = &asked->metrics[i];
        double percent = metric->id == SM_UTIL ? gpu->properties[P_sm_percent]
            : metric->id == ANY_TENSOR_UTIL ? gpu->properties[P_tensor_percent]
            : metric->id == DRAM_BW_UTIL ? gpu->properties[P_dram_percent] : NAN;
        metric->error = isnan(percent) ? NOT_SUPPORTED : SUCCESS;
        metric->value = elapsed_s > 0 ? busy * percent : metric->id == SM_UTIL ? 0 : NAN;
    }
    return SUCCESS;
}
