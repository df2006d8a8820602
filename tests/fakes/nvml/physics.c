/* True power, energy, clock and temperature of the fake GPUs over time, and what their sensors show of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

#define NS 1000000000LL

static State *current;

static int64_t real_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

int64_t fake_now(State *state) { return state->is_virtual ? state->virtual_ns : real_now(); }

void lock_state(State *state) {
    /* Robust: a process killed inside leaves the state usable. */
    if (pthread_mutex_lock(&state->mutex) == EOWNERDEAD) pthread_mutex_consistent(&state->mutex);
}

void unlock_state(State *state) { pthread_mutex_unlock(&state->mutex); }

/* ---- truth ---- */

static double power_at_clock(const double *p, double demand_w, double clock_mhz) {
    return p[P_idle_w] + (demand_w - p[P_idle_w]) * pow(clock_mhz / p[P_clock_max_mhz], p[P_power_exponent]);
}

static void settle(const Gpu *gpu, double demand_w, const Control *control, Segment *s) {
    const double *p = gpu->properties;
    s->busy = demand_w > p[P_idle_w] * 1.05;
    s->capped = 0;
    s->locked = control->lock_max_mhz > 0;
    s->memory_clock_mhz = control->memory_lock_mhz;
    double clock = s->busy ? p[P_clock_max_mhz] : p[P_clock_min_mhz];
    if (s->locked) {
        double ceiling = fmin(control->lock_max_mhz, p[P_lock_ceiling_mhz]);
        clock = fmin(fmax(clock, control->lock_min_mhz), ceiling);
    }
    s->power_w = demand_w;
    if (s->busy) {
        s->power_w = power_at_clock(p, demand_w, clock);
        while (s->power_w > control->limit_w && clock > p[P_clock_min_mhz]) {
            clock -= p[P_clock_step_mhz];
            s->power_w = power_at_clock(p, demand_w, clock);
            s->capped = 1;
        }
    }
    s->sm_clock_mhz = clock;
    s->steady_temperature_c = p[P_ambient_c] + p[P_kelvin_per_w] * s->power_w;
}

static double temperature_at(const Gpu *gpu, const Segment *s, int64_t t_ns) {
    double decay = exp(-(double)(t_ns - s->t_ns) / NS / gpu->properties[P_thermal_time_s]);
    return s->steady_temperature_c + (s->temperature_c - s->steady_temperature_c) * decay;
}

static void rebuild(State *state, Gpu *gpu) {
    int demand = -1, control = 0, n = 0;
    int64_t t_ns = state->origin_ns;
    for (;;) {
        while (demand + 1 < gpu->num_demands && gpu->demands[demand + 1].t_ns <= t_ns) demand++;
        while (control + 1 < gpu->num_controls && gpu->controls[control + 1].t_ns <= t_ns) control++;
        Segment *s = &gpu->segments[n];
        double demand_w = demand < 0 ? gpu->properties[P_idle_w] : gpu->demands[demand].power_w;
        settle(gpu, demand_w, &gpu->controls[control], s);
        s->t_ns = t_ns;
        s->energy_j = s->busy_s = s->capped_s = 0;
        s->temperature_c = s->steady_temperature_c;
        if (n > 0) {
            const Segment *before = s - 1;
            double dt_s = (double)(t_ns - before->t_ns) / NS;
            s->energy_j = before->energy_j + before->power_w * dt_s;
            s->busy_s = before->busy_s + before->busy * dt_s;
            s->capped_s = before->capped_s + before->capped * dt_s;
            s->temperature_c = temperature_at(gpu, before, t_ns);
        }
        n++;
        int64_t next = INT64_MAX;
        if (demand + 1 < gpu->num_demands) next = gpu->demands[demand + 1].t_ns;
        if (control + 1 < gpu->num_controls && gpu->controls[control + 1].t_ns < next)
            next = gpu->controls[control + 1].t_ns;
        if (next == INT64_MAX) break;
        t_ns = next;
    }
    gpu->num_segments = n;
    gpu->counted_updates = INT64_MIN;
}

const Segment *segment_at(const Gpu *gpu, int64_t t_ns) {
    int low = 0, high = gpu->num_segments - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (gpu->segments[middle].t_ns <= t_ns) low = middle; else high = middle - 1;
    }
    return &gpu->segments[low];
}

static double true_energy_j(const Gpu *gpu, int64_t t_ns) {
    const Segment *s = segment_at(gpu, t_ns);
    return s->energy_j + s->power_w * (double)(t_ns - s->t_ns) / NS;  /* before the first: as in the first */
}

double busy_s(const Gpu *gpu, int64_t t_ns) {
    const Segment *s = segment_at(gpu, t_ns);
    return s->busy_s + s->busy * (double)(t_ns - s->t_ns) / NS;
}

double capped_s(const Gpu *gpu, int64_t t_ns) {
    const Segment *s = segment_at(gpu, t_ns);
    return s->capped_s + s->capped * (double)(t_ns - s->t_ns) / NS;
}

/* ---- sensors ---- */

int64_t update_ns(const Sensor *sensor, int64_t update) {
    uint64_t hash = (uint64_t)(update + 1) * 0x9E3779B97F4A7C15ull ^ (uint64_t)sensor->phase_ns * 0xBF58476D1CE4E5B9ull;
    hash ^= hash >> 31;
    hash *= 0x94D049BB133111EBull;
    double uniform = (double)(hash >> 11) / (double)(1ull << 53) * 2 - 1;
    return sensor->phase_ns + update * sensor->period_ns + (int64_t)(uniform * (double)sensor->jitter_ns);
}

int64_t last_update(const Sensor *sensor, int64_t t_ns) {
    int64_t update = (t_ns - sensor->phase_ns) / sensor->period_ns + 1;
    while (update_ns(sensor, update) > t_ns) update--;
    return update;
}

/* Energy over the window before `t_ns` as a mean power, extended over `dt_ns`. */
static double windowed_j(const Gpu *gpu, int64_t t_ns, int64_t window_ns, int64_t dt_ns) {
    return (true_energy_j(gpu, t_ns) - true_energy_j(gpu, t_ns - window_ns)) * (double)dt_ns / (double)window_ns;
}

/* A counter that looks at a part of each period only and takes it for the whole. */
static double partial_counter_j(State *state, Gpu *gpu, const Sensor *sensor, int64_t update) {
    int64_t first = last_update(sensor, state->origin_ns);
    if (gpu->counted_updates < first || gpu->counted_updates > update) {
        gpu->counted_updates = first;
        gpu->counted_j = 0;
    }
    for (; gpu->counted_updates < update; gpu->counted_updates++) {
        int64_t begin = update_ns(sensor, gpu->counted_updates), end = update_ns(sensor, gpu->counted_updates + 1);
        gpu->counted_j += windowed_j(gpu, end, sensor->window_ns, end - begin);
    }
    return gpu->counted_j;
}

double sensor_value(State *state, Gpu *gpu, int which, int64_t t_ns) {
    const Sensor *sensor = &gpu->sensors[which];
    int64_t update = last_update(sensor, t_ns), at = update_ns(sensor, update), window = sensor->window_ns;
    const Segment *s = segment_at(gpu, at);
    switch (which) {
    case S_energy:
        return gpu->counter_offset_j
            + (window ? partial_counter_j(state, gpu, sensor, update) : true_energy_j(gpu, at));
    case S_power_instant:
    case S_power_sample:
    case S_power_average: return window ? windowed_j(gpu, at, window, NS) : s->power_w;
    case S_sm_clock: return s->sm_clock_mhz;
    case S_utilisation: return (busy_s(gpu, at) - busy_s(gpu, at - window)) * NS / (double)window;
    default: return temperature_at(gpu, s, at > s->t_ns ? at : s->t_ns);
    }
}

/* ---- what the tests call ---- */

State *current_state(void) {
    extern State *fake_open(const char *path);
    const char *path = getenv("LLMDVFS_FAKE_NVML");
    if (!current && path) current = fake_open(path);
    return current;
}

void fake_use(State *state) { current = state; }

State *fake_open(const char *path) {
    int file = open(path, O_RDWR);
    if (file < 0) return NULL;
    void *map = mmap(NULL, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return map == MAP_FAILED ? NULL : map;
}

void fake_close(State *state) {
    if (current == state) current = NULL;
    munmap(state, sizeof(State));
}

static const Sensor H200_SENSORS[NUM_SENSORS] = {
    [S_power_instant] = {100 * NS / 1000, 25 * NS / 1000, 0, 0},
    [S_power_average] = {100 * NS / 1000, NS, 0, 0},
    [S_energy] = {100 * NS / 1000, 0, 0, 0},
    [S_sm_clock] = {100 * NS / 1000, 0, 0, 0},
    [S_utilisation] = {200 * NS / 1000, 200 * NS / 1000, 0, 0},
    [S_temperature] = {100 * NS / 1000, 0, 0, 0},
    [S_power_sample] = {20 * NS / 1000, 20 * NS / 1000, 0, 0},
    [S_gpm] = {100 * NS / 1000, 0, 0, 0},
};
static const double H200_PROPERTIES[NUM_PROPERTIES] = {
    [P_idle_w] = 75, [P_memory_total_bytes] = 141.0 * (1 << 30), [P_memory_used_bytes] = 1.0 * (1 << 30),
    [P_clock_min_mhz] = 345, [P_clock_max_mhz] = 1980, [P_clock_step_mhz] = 15, [P_lock_ceiling_mhz] = 1980,
    [P_power_exponent] = 2.4, [P_settling_s] = 0.02, [P_limit_min_w] = 200, [P_limit_max_w] = 700,
    [P_ambient_c] = 28, [P_kelvin_per_w] = 0.06, [P_thermal_time_s] = 15, [P_memory_temperature_c] = 40, [P_memory_power_w] = 33,
    [P_persistence] = 1, [P_nvlinks] = 18, [P_peer_access] = 1, [P_topology_level] = 50,
    [P_pcie_generation] = 5, [P_pcie_width] = 16, [P_nvlink_mbps] = 26562, [P_gpm_supported] = 1, [P_sm_percent] = 80, [P_tensor_percent] = 40, [P_dram_percent] = 60,
};

State *fake_create(const char *path, int num_gpus, int64_t virtual_ns, double counter_j) {
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, sizeof(State))) return NULL;
    close(file);
    State *state = fake_open(path);
    if (!state) return NULL;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&state->mutex, &attributes);
    state->num_gpus = num_gpus;
    state->is_virtual = virtual_ns >= 0;
    state->virtual_ns = virtual_ns;
    state->origin_ns = state->is_virtual ? virtual_ns : real_now();
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    if (!state->is_virtual) state->wall_offset_ns = wall.tv_sec * NS + wall.tv_nsec - real_now();
    snprintf(state->driver, sizeof state->driver, "999.1 fake");
    for (int index = 0; index < num_gpus; index++) {
        Gpu *gpu = &state->gpus[index];
        snprintf(gpu->name, sizeof gpu->name, "Fake H200");
        snprintf(gpu->uuid, sizeof gpu->uuid, "GPU-fake-%08d", index);
        snprintf(gpu->bus_id, sizeof gpu->bus_id, "00000000:%02X:00.0", 0x10 + index);
        memcpy(gpu->properties, H200_PROPERTIES, sizeof H200_PROPERTIES);
        memcpy(gpu->sensors, H200_SENSORS, sizeof H200_SENSORS);
        for (int s = 0; s < NUM_SENSORS; s++)  /* sensors do not tick together, nor do GPUs */
            gpu->sensors[s].phase_ns = state->origin_ns + (index * 37 + s * 17) % 100 * NS / 1000 - NS;
        gpu->counter_offset_j = counter_j;
        gpu->num_controls = 1;
        gpu->controls[0] = (Control){state->origin_ns, 0, 0, 3201, gpu->properties[P_limit_max_w]};
        rebuild(state, gpu);
    }
    return state;
}

static int index_of(const char *name, const char *const *names, int count) {
    for (int i = 0; i < count; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

#define NAME(name) #name,
static const char *const sensor_names[] = {SENSORS(NAME)};
static const char *const call_names[] = {CALLS(NAME)};
static const char *const property_names[] = {PROPERTIES(NAME)};
#undef NAME

int fake_set_trace(State *state, int gpu_index, int count, const int64_t *t_ns, const double *power_w) {
    if (count > MAX_DEMANDS) return -1;
    Gpu *gpu = &state->gpus[gpu_index];
    lock_state(state);
    for (int i = 0; i < count; i++) gpu->demands[i] = (Demand){t_ns[i], power_w[i]};
    gpu->num_demands = count;
    rebuild(state, gpu);
    unlock_state(state);
    return 0;
}

int fake_set_power(State *state, int gpu_index, double power_w) {
    Gpu *gpu = &state->gpus[gpu_index];
    lock_state(state);
    int full = gpu->num_demands == MAX_DEMANDS;
    if (!full) {
        gpu->demands[gpu->num_demands++] = (Demand){fake_now(state), power_w};
        rebuild(state, gpu);
    }
    unlock_state(state);
    return full ? -1 : 0;
}

int add_control(State *state, Gpu *gpu, Control control) {
    if (gpu->num_controls == MAX_CONTROLS) return -1;
    int64_t before = gpu->controls[gpu->num_controls - 1].t_ns;
    control.t_ns = fake_now(state) + (int64_t)(gpu->properties[P_settling_s] * NS);
    if (control.t_ns <= before) control.t_ns = before + 1;
    gpu->controls[gpu->num_controls++] = control;
    rebuild(state, gpu);
    return 0;
}

void fake_set_time(State *state, int is_virtual, int64_t virtual_ns) {
    state->is_virtual = is_virtual;
    state->virtual_ns = virtual_ns;
}

double fake_true_energy(State *state, int gpu_index, int64_t begin_ns, int64_t end_ns) {
    Gpu *gpu = &state->gpus[gpu_index];
    lock_state(state);
    double energy_j = true_energy_j(gpu, end_ns) - true_energy_j(gpu, begin_ns);
    unlock_state(state);
    return energy_j;
}

int fake_poll(State *state, int gpu_index, const char *name, int count, const int64_t *t_ns, double *values) {
    int sensor = index_of(name, sensor_names, NUM_SENSORS);
    if (sensor < 0) return -1;
    lock_state(state);
    for (int i = 0; i < count; i++) values[i] = sensor_value(state, &state->gpus[gpu_index], sensor, t_ns[i]);
    unlock_state(state);
    return 0;
}

int fake_set_sensor(State *state, int gpu_index, const char *name, const Sensor *sensor) {
    int which = index_of(name, sensor_names, NUM_SENSORS);
    if (which < 0) return -1;
    lock_state(state);
    state->gpus[gpu_index].sensors[which] = *sensor;
    state->gpus[gpu_index].counted_updates = INT64_MIN;
    unlock_state(state);
    return 0;
}

int fake_set_property(State *state, int gpu_index, const char *name, double value) {
    int which = index_of(name, property_names, NUM_PROPERTIES);
    if (which < 0) return -1;
    lock_state(state);
    state->gpus[gpu_index].properties[which] = value;
    rebuild(state, &state->gpus[gpu_index]);
    unlock_state(state);
    return 0;
}

int fake_set_error(State *state, int gpu_index, const char *name, int error, int times, int after) {
    int call = index_of(name, call_names, NUM_CALLS);
    if (call < 0) return -1;
    if (call == C_init) {
        state->init_error = error;
    } else {
        state->gpus[gpu_index].errors[call] = error;
        state->gpus[gpu_index].failures_left[call] = times;
        state->gpus[gpu_index].successes_left[call] = after;
    }
    return 0;
}

void fake_setting(State *state, int gpu_index, double *values) {
    lock_state(state);
    const Gpu *gpu = &state->gpus[gpu_index];
    const Control *now = &gpu->controls[gpu->num_controls - 1];
    values[0] = now->lock_max_mhz;
    values[1] = now->memory_lock_mhz;
    values[2] = now->limit_w;
    unlock_state(state);
}

int fake_set_cost(State *state, const char *name, int64_t cost_ns, int burns) {
    int call = index_of(name, call_names, NUM_CALLS);
    if (call < 0) return -1;
    state->cost_ns[call] = cost_ns;
    state->burns[call] = burns;
    return 0;
}

int fake_set_field(State *state, int gpu_index, uint32_t id, uint64_t value, int error) {
    Gpu *gpu = &state->gpus[gpu_index];
    int i = 0;
    while (i < gpu->num_fields && gpu->fields[i].id != id) i++;
    if (i == MAX_FIELDS) return -1;
    lock_state(state);
    gpu->fields[i] = (Field){id, error, value};
    if (i == gpu->num_fields) gpu->num_fields++;
    unlock_state(state);
    return 0;
}

int fake_set_processes(State *state, int gpu_index, int count, const uint32_t *pids, const uint64_t *memory_bytes) {
    if (count > MAX_PROCESSES) return -1;
    Gpu *gpu = &state->gpus[gpu_index];
    lock_state(state);
    for (int i = 0; i < count; i++) gpu->processes[i] = (Process){pids[i], memory_bytes[i]};
    gpu->num_processes = count;
    unlock_state(state);
    return 0;
}

void fake_lose(State *state, int gpu_index, int lost) { state->gpus[gpu_index].lost = lost; }

/* Locks and limits are gone, the counters of energy start again at 0. */
void fake_reload_driver(State *state) {
    lock_state(state);
    int64_t now = fake_now(state);
    for (int i = 0; i < state->num_gpus; i++) {
        Gpu *gpu = &state->gpus[i];
        add_control(state, gpu, (Control){0, 0, 0, 3201, gpu->properties[P_limit_max_w]});
        gpu->counter_offset_j -= sensor_value(state, gpu, S_energy, now);
    }
    unlock_state(state);
}
