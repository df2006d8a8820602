/* The part of the NVML interface that llm-dvfs uses, answered from the fake GPUs' shared state. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nvml.h"

enum { SLOWDOWN_IDLE = 1, SLOWDOWN_CLOCK_SETTING = 2, SLOWDOWN_POWER_CAP = 4 };

typedef struct { uint32_t id, scope; int64_t timestamp_us, latency_us; unsigned type; Return error; Value value; } FieldValue;
typedef struct { char legacy_bus_id[16]; unsigned domain, bus, device, pci_id, subsystem_id; char bus_id[32]; } PciInfo;
typedef struct { unsigned pid; unsigned long long memory_bytes; unsigned gpu_instance, compute_instance; } ProcessInfo;

static int num_inits;

static void spend(State *state, int call) {
    int64_t cost_ns = state->cost_ns[call];
    if (!cost_ns || state->is_virtual) return;
    int64_t end_ns = fake_now(state) + cost_ns;
    if (state->burns[call]) {
        while (fake_now(state) < end_ns) {}
    } else {
        struct timespec until = {end_ns / 1000000000, end_ns % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
}

/* The error that the call returns now; the last one of a number that was asked for ends them. */
Return failure(Gpu *gpu, int call) {
    Return error = gpu->errors[call];
    if (error == NO_PERMISSION && getenv("FAKE_NVML_ROOT")) return SUCCESS;
    if (error && gpu->successes_left[call] > 0) {
        gpu->successes_left[call]--;
        return SUCCESS;
    }
    if (error && gpu->failures_left[call] > 0 && --gpu->failures_left[call] == 0) gpu->errors[call] = SUCCESS;
    return error;
}

Return enter(Device device, int call, State **state, Gpu **gpu) {
    *state = current_state();
    if (!*state || !num_inits) return UNINITIALIZED;
    intptr_t index = (intptr_t)device - 1;
    if (index < 0 || index >= (*state)->num_gpus) return INVALID_ARGUMENT;
    *gpu = &(*state)->gpus[index];
    spend(*state, call);
    return (*gpu)->lost ? GPU_IS_LOST : failure(*gpu, call);
}

static double sense(State *state, Gpu *gpu, int sensor) {
    lock_state(state);
    double value = sensor_value(state, gpu, sensor, fake_now(state));
    unlock_state(state);
    return value;
}

static Segment truth(State *state, Gpu *gpu) {
    lock_state(state);
    Segment now = *segment_at(gpu, fake_now(state));
    unlock_state(state);
    return now;
}

static Control control_of(const Gpu *gpu) { return gpu->controls[gpu->num_controls - 1]; }

/* ---- library ---- */

Return nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    State *state = current_state();
    if (!state) return DRIVER_NOT_LOADED;
    if (state->init_error) return state->init_error;
    num_inits++;
    return SUCCESS;
}
Return nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
Return nvmlShutdown(void) {
    if (!num_inits) return UNINITIALIZED;
    num_inits--;
    return SUCCESS;
}
const char *nvmlErrorString(Return error) { return error == SUCCESS ? "Success" : "Error of the fake driver"; }
Return nvmlSystemGetDriverVersion(char *text, unsigned length) {
    if (!current_state() || !num_inits) return UNINITIALIZED;
    snprintf(text, length, "%s", current_state()->driver);
    return SUCCESS;
}
Return nvmlDeviceGetCount_v2(unsigned *count) {
    if (!current_state() || !num_inits) return UNINITIALIZED;
    *count = (unsigned)current_state()->num_gpus;
    return SUCCESS;
}
Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
    State *state = current_state();
    if (!state || !num_inits) return UNINITIALIZED;
    if (index >= (unsigned)state->num_gpus) return INVALID_ARGUMENT;
    *device = (Device)(intptr_t)(index + 1);
    return state->gpus[index].lost ? GPU_IS_LOST : SUCCESS;
}
Return nvmlDeviceGetHandleByUUID(const char *uuid, Device *device) {
    State *state = current_state();
    if (!state || !num_inits) return UNINITIALIZED;
    for (int i = 0; i < state->num_gpus; i++)
        if (!strcmp(uuid, state->gpus[i].uuid)) return nvmlDeviceGetHandleByIndex_v2((unsigned)i, device);
    return NOT_FOUND;
}

/* ---- identity ---- */

Return nvmlDeviceGetName(Device device, char *text, unsigned length) {
    ENTER(identity);
    snprintf(text, length, "%s", gpu->name);
    return SUCCESS;
}
Return nvmlDeviceGetUUID(Device device, char *text, unsigned length) {
    ENTER(identity);
    snprintf(text, length, "%s", gpu->uuid);
    return SUCCESS;
}
Return nvmlDeviceGetIndex(Device device, unsigned *index) {
    ENTER(identity);
    *index = (unsigned)(gpu - state->gpus);
    return SUCCESS;
}
Return nvmlDeviceGetPciInfo_v3(Device device, PciInfo *info) {
    ENTER(identity);
    memset(info, 0, sizeof *info);
    info->bus = 0x10 + (unsigned)(gpu - state->gpus);
    snprintf(info->bus_id, sizeof info->bus_id, "%s", gpu->bus_id);
    snprintf(info->legacy_bus_id, sizeof info->legacy_bus_id, "%s", gpu->bus_id + 4);
    return SUCCESS;
}
Return nvmlDeviceGetSerial(Device device, char *text, unsigned length) {
    ENTER(identity);
    snprintf(text, length, "16500%08d", (int)(gpu - state->gpus));
    return SUCCESS;
}
Return nvmlDeviceGetVbiosVersion(Device device, char *text, unsigned length) {
    ENTER(identity);
    snprintf(text, length, "96.00.fake.00");
    return SUCCESS;
}
Return nvmlDeviceGetPersistenceMode(Device device, unsigned *mode) {
    ENTER(identity);
    *mode = (unsigned)gpu->properties[P_persistence];
    return SUCCESS;
}
Return nvmlDeviceGetMigMode(Device device, unsigned *now, unsigned *pending) {
    ENTER(mig);
    *now = *pending = (unsigned)gpu->properties[P_mig];
    return SUCCESS;
}

/* ---- sensors ---- */

Return nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatt) {
    ENTER(power_usage);
    *milliwatt = (unsigned)(sense(state, gpu, S_power_average) * 1000);
    return SUCCESS;
}
Return nvmlDeviceGetTotalEnergyConsumption(Device device, unsigned long long *millijoule) {
    ENTER(energy);
    *millijoule = (unsigned long long)(sense(state, gpu, S_energy) * 1000 + 0.5);
    return SUCCESS;
}
Return nvmlDeviceGetClockInfo(Device device, unsigned type, unsigned *mhz) {
    ENTER(clock);
    *mhz = (unsigned)(type == 2 ? truth(state, gpu).memory_clock_mhz : sense(state, gpu, S_sm_clock));
    return SUCCESS;
}
Return nvmlDeviceGetMaxClockInfo(Device device, unsigned type, unsigned *mhz) {
    ENTER(clock);
    *mhz = (unsigned)(type == 2 ? 3201 : gpu->properties[P_clock_max_mhz]);
    return SUCCESS;
}
Return nvmlDeviceGetDefaultApplicationsClock(Device device, unsigned type, unsigned *mhz) {
    return nvmlDeviceGetMaxClockInfo(device, type, mhz);
}
Return nvmlDeviceGetApplicationsClock(Device device, unsigned type, unsigned *mhz) {
    ENTER(clock);
    double set_mhz = gpu->properties[P_application_sm_mhz];
    if (type == 2 || set_mhz == 0) return nvmlDeviceGetMaxClockInfo(device, type, mhz);
    *mhz = (unsigned)set_mhz;
    return SUCCESS;
}
Return nvmlDeviceGetUtilizationRates(Device device, unsigned *percent) {
    ENTER(utilisation);
    percent[0] = (unsigned)lround(100 * sense(state, gpu, S_utilisation));
    percent[1] = percent[0] / 2;
    return SUCCESS;
}
Return nvmlDeviceGetTemperature(Device device, unsigned sensor, unsigned *celsius) {
    ENTER(temperature);
    if (sensor) return INVALID_ARGUMENT;
    *celsius = (unsigned)lround(sense(state, gpu, S_temperature));
    return SUCCESS;
}
Return nvmlDeviceGetMemoryInfo(Device device, unsigned long long *bytes) {
    ENTER(memory);
    bytes[0] = (unsigned long long)gpu->properties[P_memory_total_bytes];
    bytes[2] = (unsigned long long)gpu->properties[P_memory_used_bytes];
    bytes[1] = bytes[0] - bytes[2];
    return SUCCESS;
}
Return nvmlDeviceGetCurrentClocksEventReasons(Device device, unsigned long long *reasons) {
    ENTER(event_reasons);
    Segment now = truth(state, gpu);
    *reasons = (now.capped ? SLOWDOWN_POWER_CAP : 0) | (!now.busy ? SLOWDOWN_IDLE : 0)
        | (now.busy && now.locked ? SLOWDOWN_CLOCK_SETTING : 0);
    return SUCCESS;
}
Return nvmlDeviceGetPerformanceState(Device device, unsigned *state_number) {
    ENTER(performance_state);
    *state_number = 0;
    return SUCCESS;
}

static Return read_field(State *state, Gpu *gpu, FieldValue *field) {
    const double *p = gpu->properties;
    field->type = 3;  /* unsigned long long */
    for (int i = 0; i < gpu->num_fields; i++)
        if (gpu->fields[i].id == field->id) {
            field->value.u64 = gpu->fields[i].value;
            return gpu->fields[i].error;
        }
    switch (field->id) {
    case 164:
        if (field->scope >= p[P_nvlinks] || p[P_nvlink_mbps] == 0) return NOT_SUPPORTED;
        field->type = 1;  /* unsigned int */
        field->value.u64 = (unsigned long long)p[P_nvlink_mbps];
        break;
    case 83: field->value.u64 = (unsigned long long)(sense(state, gpu, S_energy) * 1000 + 0.5); break;
    case 74:
        lock_state(state);
        field->value.u64 = (unsigned long long)(capped_s(gpu, fake_now(state)) * 1e9);
        unlock_state(state);
        break;
    case 138: case 139: case 197: case 198: case 269: case 270: case 271: field->value.u64 = 0; break;
    default:
        field->type = 1;  /* unsigned int */
        switch (field->id) {
        case 82: field->value.u32 = (unsigned)p[P_memory_temperature_c]; break;
        case 185:
            if (field->scope == 1 || (field->scope == 2 && p[P_memory_power_w] == 0)) return NOT_SUPPORTED;
            field->value.u32 = field->scope == 2 ? (unsigned)(p[P_memory_power_w] * 1000)
                : (unsigned)(sense(state, gpu, S_power_average) * 1000);
            break;
        case 186: field->value.u32 = (unsigned)(sense(state, gpu, S_power_instant) * 1000); break;
        case 187: field->value.u32 = (unsigned)(p[P_limit_min_w] * 1000); break;
        case 188: case 189: field->value.u32 = (unsigned)(p[P_limit_max_w] * 1000); break;
        case 190: field->value.u32 = (unsigned)(control_of(gpu).limit_w * 1000); break;
        default: return NOT_SUPPORTED;
        }
    }
    return SUCCESS;
}
Return nvmlDeviceGetFieldValues(Device device, int count, FieldValue *fields) {
    ENTER(fields);
    for (int i = 0; i < count; i++) {
        fields[i].timestamp_us = fake_now(state) / 1000;
        fields[i].latency_us = 0;
        fields[i].error = read_field(state, gpu, &fields[i]);
    }
    return SUCCESS;
}

/* ---- power limit and clocks ---- */

Return nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned *milliwatt) {
    ENTER(power_limit);
    *milliwatt = (unsigned)(control_of(gpu).limit_w * 1000);
    return SUCCESS;
}
Return nvmlDeviceGetPowerManagementLimit(Device device, unsigned *milliwatt) {
    return nvmlDeviceGetEnforcedPowerLimit(device, milliwatt);
}
Return nvmlDeviceGetPowerManagementDefaultLimit(Device device, unsigned *milliwatt) {
    ENTER(power_limit);
    *milliwatt = (unsigned)(gpu->properties[P_limit_max_w] * 1000);
    return SUCCESS;
}
Return nvmlDeviceGetPowerManagementLimitConstraints(Device device, unsigned *low, unsigned *high) {
    ENTER(power_limit);
    *low = (unsigned)(gpu->properties[P_limit_min_w] * 1000);
    *high = (unsigned)(gpu->properties[P_limit_max_w] * 1000);
    return SUCCESS;
}

static Return change(State *state, Gpu *gpu, Control control) {
    Control now = control_of(gpu);
    if (now.lock_min_mhz == control.lock_min_mhz && now.lock_max_mhz == control.lock_max_mhz
        && now.memory_lock_mhz == control.memory_lock_mhz && now.limit_w == control.limit_w) return SUCCESS;
    lock_state(state);
    int full = add_control(state, gpu, control);
    unlock_state(state);
    return full ? OUT_OF_MEMORY : SUCCESS;
}
Return nvmlDeviceSetPowerManagementLimit(Device device, unsigned milliwatt) {
    ENTER(set_power_limit);
    double limit_w = milliwatt / 1000.0;
    if (limit_w < gpu->properties[P_limit_min_w] || limit_w > gpu->properties[P_limit_max_w]) return INVALID_ARGUMENT;
    Control control = control_of(gpu);
    control.limit_w = limit_w;
    return change(state, gpu, control);
}

static double snapped(const double *p, unsigned mhz) {
    double clock = p[P_clock_min_mhz]
        + round((mhz - p[P_clock_min_mhz]) / p[P_clock_step_mhz]) * p[P_clock_step_mhz];
    return fmin(fmax(clock, p[P_clock_min_mhz]), p[P_clock_max_mhz]);
}
Return nvmlDeviceSetGpuLockedClocks(Device device, unsigned low_mhz, unsigned high_mhz) {
    ENTER(set_clocks);
    ALSO(lock_sm);
    if (low_mhz > high_mhz || high_mhz == 0) return INVALID_ARGUMENT;
    Control control = control_of(gpu);
    control.lock_min_mhz = snapped(gpu->properties, low_mhz);
    control.lock_max_mhz = snapped(gpu->properties, high_mhz);
    return change(state, gpu, control);
}
Return nvmlDeviceResetGpuLockedClocks(Device device) {
    ENTER(set_clocks);
    ALSO(reset_sm);
    Control control = control_of(gpu);
    control.lock_min_mhz = control.lock_max_mhz = 0;
    return change(state, gpu, control);
}
Return nvmlDeviceSetMemoryLockedClocks(Device device, unsigned low_mhz, unsigned high_mhz) {
    ENTER(set_clocks);
    ALSO(lock_memory);
    if (low_mhz > high_mhz) return INVALID_ARGUMENT;
    Control control = control_of(gpu);
    control.memory_lock_mhz = high_mhz < 2701 ? 2201 : 3201;
    return change(state, gpu, control);
}
Return nvmlDeviceResetMemoryLockedClocks(Device device) {
    ENTER(set_clocks);
    ALSO(reset_memory);
    Control control = control_of(gpu);
    control.memory_lock_mhz = 3201;
    return change(state, gpu, control);
}
Return nvmlDeviceGetSupportedMemoryClocks(Device device, unsigned *count, unsigned *mhz) {
    ENTER(clock);
    if (*count < 2 || !mhz) { *count = 2; return INSUFFICIENT_SIZE; }
    *count = 2;
    mhz[0] = 3201;
    mhz[1] = 2201;
    return SUCCESS;
}
Return nvmlDeviceGetSupportedGraphicsClocks(Device device, unsigned memory_mhz, unsigned *count, unsigned *mhz) {
    ENTER(clock);
    if (memory_mhz != 3201 && memory_mhz != 2201) return NOT_FOUND;
    const double *p = gpu->properties;
    unsigned needed = (unsigned)((p[P_clock_max_mhz] - p[P_clock_min_mhz]) / p[P_clock_step_mhz]) + 1, given = *count;
    *count = needed;
    if (given < needed || !mhz) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < needed; i++) mhz[i] = (unsigned)(p[P_clock_max_mhz] - i * p[P_clock_step_mhz]);
    return SUCCESS;
}

/* ---- processes and links ---- */

Return nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, ProcessInfo *processes) {
    ENTER(processes);
    unsigned given = *count;
    *count = (unsigned)gpu->num_processes;
    if (!gpu->num_processes) return SUCCESS;
    if (given < *count || !processes) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < *count; i++)
        processes[i] = (ProcessInfo){gpu->processes[i].pid, gpu->processes[i].memory_bytes, ~0u, ~0u};
    return SUCCESS;
}
Return nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned *count, ProcessInfo *processes) {
    ENTER(processes);
    (void)processes;
    *count = 0;
    return SUCCESS;
}
Return nvmlDeviceGetTopologyCommonAncestor(Device device, Device other, unsigned *level) {
    (void)other;
    ENTER(topology);
    *level = (unsigned)gpu->properties[P_topology_level];
    return SUCCESS;
}
Return nvmlDeviceGetP2PStatus(Device device, Device other, unsigned capability, unsigned *status) {
    (void)other;
    ENTER(topology);
    int works = capability == 2 ? gpu->properties[P_nvlinks] > 0 : gpu->properties[P_peer_access] > 0;
    *status = works ? 0 : 5;
    return SUCCESS;
}
Return nvmlDeviceGetNvLinkState(Device device, unsigned link, unsigned *active) {
    ENTER(topology);
    if (gpu->properties[P_nvlinks] == 0) return NOT_SUPPORTED;
    if (link >= 18) return INVALID_ARGUMENT;
    *active = link < gpu->properties[P_nvlinks];
    return SUCCESS;
}
Return nvmlDeviceGetMaxPcieLinkGeneration(Device device, unsigned *generation) {
    ENTER(topology);
    *generation = (unsigned)gpu->properties[P_pcie_generation];
    return SUCCESS;
}
Return nvmlDeviceGetMaxPcieLinkWidth(Device device, unsigned *width) {
    ENTER(topology);
    *width = (unsigned)gpu->properties[P_pcie_width];
    return SUCCESS;
}
