/* The fake GPUs: what is true of them, shared by every process that maps the state file. */
#ifndef STATE_H
#define STATE_H

#include <pthread.h>
#include <stdint.h>

#define MAX_GPUS 16
#define MAX_DEMANDS 32768  /* points of a power trace */
#define MAX_CONTROLS 256   /* changes of a lock or a limit */
#define MAX_SEGMENTS (MAX_DEMANDS + MAX_CONTROLS + 1)
#define MAX_FIELDS 32      /* field values set by hand */
#define MAX_PROCESSES 16

/* A sensor shows, from each of its updates to the next, the mean over the window that ends at the update. */
typedef struct { int64_t period_ns, window_ns, phase_ns, jitter_ns; } Sensor;

#define SENSORS(X) X(power_instant) X(power_average) X(energy) X(sm_clock) X(utilisation) X(temperature) X(power_sample) X(gpm)
#define CALLS(X) X(init) X(identity) X(memory) X(power_usage) X(energy) X(fields) X(clock) X(utilisation) \
    X(temperature) X(event_reasons) X(power_limit) X(performance_state) X(processes) X(topology) X(mig) \
    X(set_clocks) X(set_power_limit) X(lock_sm) X(reset_sm) X(lock_memory) X(reset_memory) X(samples) X(gpm)
#define PROPERTIES(X) X(idle_w) X(memory_total_bytes) X(memory_used_bytes) X(clock_min_mhz) X(clock_max_mhz) \
    X(clock_step_mhz) X(lock_ceiling_mhz) X(power_exponent) X(settling_s) X(limit_min_w) X(limit_max_w) \
    X(ambient_c) X(kelvin_per_w) X(thermal_time_s) X(memory_temperature_c) X(memory_power_w) X(mig) X(persistence) X(nvlinks) \
    X(peer_access) X(topology_level) X(pcie_generation) X(pcie_width) X(nvlink_mbps) X(application_sm_mhz) \
    X(gpm_supported) X(sm_percent) X(tensor_percent) X(dram_percent) X(wall_offset_ns)

#define NAME(name) S_##name,
enum { SENSORS(NAME) NUM_SENSORS };
#undef NAME
#define NAME(name) C_##name,
enum { CALLS(NAME) NUM_CALLS };
#undef NAME
#define NAME(name) P_##name,
enum { PROPERTIES(NAME) NUM_PROPERTIES };
#undef NAME

/* Power asked for at the highest clock, from t_ns on. */
typedef struct { int64_t t_ns; double power_w; } Demand;
/* Locks (0: none) and power limit in force from t_ns on. */
typedef struct { int64_t t_ns; double lock_min_mhz, lock_max_mhz, memory_lock_mhz, limit_w; } Control;
/* What is true from t_ns to the next segment, and what had added up until t_ns. */
typedef struct {
    int64_t t_ns;
    double power_w, sm_clock_mhz, memory_clock_mhz, steady_temperature_c;
    int busy, capped, locked;
    double energy_j, busy_s, capped_s, temperature_c;
} Segment;
typedef struct { uint32_t id; int error; uint64_t value; } Field;
typedef struct { uint32_t pid; uint64_t memory_bytes; } Process;

typedef struct {
    char name[96], uuid[96], bus_id[32];
    double properties[NUM_PROPERTIES];
    Sensor sensors[NUM_SENSORS];
    int errors[NUM_CALLS];  /* NVML error that the call returns, 0: none ... */
    int successes_left[NUM_CALLS];  /* it succeeds so many times before that, ... */
    int failures_left[NUM_CALLS];  /* ... so many times more; 0: for ever */
    int lost, num_demands, num_controls, num_segments, num_fields, num_processes;
    double counter_offset_j;  /* added to the energy counter; a driver reload sets it so that the counter shows 0 */
    int64_t counted_updates;  /* energy counter of a narrow window: updates added up so far ... */
    double counted_j;         /* ... and their sum */
    Field fields[MAX_FIELDS];
    Process processes[MAX_PROCESSES];
    Control controls[MAX_CONTROLS];
    Demand demands[MAX_DEMANDS];
    Segment segments[MAX_SEGMENTS];
} Gpu;

typedef struct {
    pthread_mutex_t mutex;
    int num_gpus, is_virtual, init_error;
    int64_t virtual_ns, origin_ns, wall_offset_ns;  /* the last: 0 in virtual time */
    int64_t cost_ns[NUM_CALLS];
    int burns[NUM_CALLS];  /* the call's cost is spent computing, not sleeping */
    char driver[80];
    Gpu gpus[MAX_GPUS];
} State;

extern State *current_state(void);
extern int64_t fake_now(State *state);
extern void lock_state(State *state);
extern void unlock_state(State *state);
extern int add_control(State *state, Gpu *gpu, Control control);
extern const Segment *segment_at(const Gpu *gpu, int64_t t_ns);
extern double sensor_value(State *state, Gpu *gpu, int sensor, int64_t t_ns);
extern int64_t last_update(const Sensor *sensor, int64_t t_ns);
extern int64_t update_ns(const Sensor *sensor, int64_t update);
extern double busy_s(const Gpu *gpu, int64_t t_ns);
extern double capped_s(const Gpu *gpu, int64_t t_ns);

#endif
