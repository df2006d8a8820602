"""A serving engine simulated step by step, the energy counters of its GPUs, and the true energy of each kind of step.

Continuous batching: requests wait first come first served for one of `max_running` slots; a step either prefills
prompts or gives each running request a token; with chunked prefill one step does both. What comes out is what the
analysis sees (request records with token stamps, proxy stamps, polled counters) and the truth that it does not see.
SIMULATED.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import Role
from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader

NS_PER_S = 1_000_000_000
IDLE_S = 5.0  # loaded and idle, before the load and after it
TRANSIENT_S = 0.1
TRANSFER_S = 0.005
HOLE_S = 0.06
SAMPLE_SEEN_S = 0.025
STEP_TOKENS = 8192  # prompts are prefilled together up to so many tokens
WEIGHT_BYTES, KV_BYTES_A_TOKEN, DRAM_BYTES_PER_S = 16.4e9, 147_456, 3.35e12  # Qwen3-8B in bf16 on an H100
PREFILL_DRAM_FRACTION = 0.28  # measured on one
ACTIVITY_S = 0.2


@dataclass(frozen=True, slots=True)
class Engine:
    """How long steps take and what they draw: an 8-billion model on an H100, in round numbers."""

    idle_w: float = 120.0
    decode_w: float = 350.0
    decode_w_a_doubling: float = 45.0
    decode_power_exponent: float = 0.0
    """0: the power grows with the logarithm of the batch; above it faster, as batch^exponent, below it saturates."""
    prefill_w: float = 450.0
    """At 128 tokens a step; rising with the logarithm to `prefill_full_w` at 2048 and beyond."""
    prefill_full_w: float = 700.0
    background_w: float = 0.0
    """What a stranger's load adds while it runs: half a second in each three."""
    transient_fraction: float = 0.0
    """More power in the first 100 ms after the engine was idle."""
    heat_fraction: float = 0.0
    """More power at the end of the load than at its begin (leakage rises with temperature)."""
    context_w: float = 0.0
    """What reading the KV of long contexts adds to decode: times the share of KV among the bytes that a step reads."""
    decode_step_s: float = 0.012
    decode_step_s_a_request: float = 0.0001
    prefill_s_a_token: float = 50e-6
    chunk_tokens: int | None = None
    """Chunked prefill: so many prompt tokens a step, beside the decoding requests; None: prefill steps of their own."""
    max_running: int = 256

    def decode_power_w(self, batch: int) -> float:
        """Return the power of a decode step."""
        exponent = self.decode_power_exponent
        doublings = (batch**exponent - 1) / (exponent * np.log(2)) if exponent else np.log2(batch)
        return float(self.decode_w + self.decode_w_a_doubling * doublings)

    def kv_fraction(self, context_tokens: int) -> float:
        """Return the share of KV among the bytes that a decode step reads: weights, and the KV of its requests."""
        kv_bytes = context_tokens * KV_BYTES_A_TOKEN
        return kv_bytes / (WEIGHT_BYTES + kv_bytes)

    def decode_dram_fraction(self, context_tokens: int, length_s: float) -> float:
        """Return the share of the DRAM's bandwidth that a decode step uses."""
        return min((WEIGHT_BYTES + context_tokens * KV_BYTES_A_TOKEN) / DRAM_BYTES_PER_S / length_s, 1.0)

    def prefill_power_w(self, tokens: int) -> float:
        """Return the power of a prefill step."""
        share = np.log2(max(tokens, 1) / 128) / np.log2(2048 / 128)
        return self.prefill_w + (self.prefill_full_w - self.prefill_w) * float(np.clip(share, 0, 1))


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is asked of the engine."""

    in_flight: int = 1
    """Closed loop; ignored where there is a rate."""
    rate_rps: float | None = None
    """Poisson arrivals."""
    num_prompt_tokens: tuple[int, int] = (1024, 1024)
    """Log-uniform between both."""
    num_output_tokens: tuple[int, int] = (128, 128)
    queue_s: float = 0.0
    """Mean (exponential) of what passes in the server before the engine sees a request."""
    failed_fraction: float = 0.0
    """Clients that go away somewhere in the answer."""
    pause_s: float = 0.05
    """Mean (exponential) between an answer and the next request of a closed loop."""
    length_s: float = 40.0


@dataclass(frozen=True, slots=True)
class Counters:
    """How the energy counters are seen."""

    period_s: float = 0.1
    lag_s: float = 0.0
    """By how much what the counter says is older than its refresh."""
    apart_s: float = 0.0
    """By how much the second GPU's counter trails further."""
    jitter_s: float = 1e-4
    poll_s: float = 0.02
    stamp_delay_s: float = 2e-4
    """Mean (exponential) from the end of a step to the client's stamp of its token."""
    lost_fraction: float = 0.0
    """Polls that a busy host makes none of, in holes of 60 ms in the mean: MEASURED, 7 to 31 % on a shared one."""
    with_samples: bool = False
    """The driver's own power samples too: one in about 20 ms, each the mean of the 25 ms before it."""
    with_activity: bool = False
    """GPM's DRAM activity too: means over 200 ms."""


@dataclass(slots=True)
class _Request:
    index: int
    sent_s: float
    ready_s: float
    num_prompt_tokens: int
    num_output_tokens: int
    fails_after: int | None
    prefilled: int = 0
    prefill_done_s: float | None = None
    stamps_s: list[float] = field(default_factory=list)

    @property
    def num_context_tokens(self) -> int:
        """Tokens whose KV its next decode step reads."""
        return self.num_prompt_tokens + len(self.stamps_s)


@dataclass(slots=True)
class _Steps:
    """What one engine did: (begin, end, kind, power, DRAM activity) of each step."""

    rows: list[tuple[float, float, str, float, float]] = field(default_factory=list)
    moving: list[tuple[float, float]] = field(default_factory=list)
    """When KV was on its way here."""

    def trace(self, engine: Engine, end_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return edges [s], power [W] and kind of the time from 0 to end_s, idle where no step ran."""
        edges, power, kind = [0.0], [], []
        busy_since = -np.inf
        for begin_s, until_s, name, watts, _ in self.rows:
            if begin_s > edges[-1] + 1e-9:
                edges.append(begin_s)
                power.append(engine.idle_w)
                kind.append("idle")
                busy_since = begin_s
            cut_s = busy_since + TRANSIENT_S
            for part_s in ([cut_s] if begin_s < cut_s < until_s else []) + [until_s]:
                early = part_s <= cut_s + 1e-9
                edges.append(part_s)
                power.append(watts * (1 + engine.transient_fraction * early))
                kind.append(name)
        edges.append(end_s)
        power.append(engine.idle_w)
        kind.append("idle")
        t = np.array(edges)
        warm = 1 + engine.heat_fraction * np.clip((t[:-1] - IDLE_S) / max(end_s - 2 * IDLE_S, 1e-9), 0, 1)
        return t, np.array(power) * warm, np.array(kind)


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """What the analysis sees, and the truth."""

    requests: tuple[RequestRecord, ...]
    proxy: dict[str, ProxyRecord]
    header: TelemetryHeader
    readings: tuple[Reading, ...]
    device_roles: dict[str, Role]
    idle_windows_s: tuple[tuple[float, float], ...]
    window_s: tuple[float, float]
    truth: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    """device -> edges [s], energy at each edge [J], kind of step from each edge to the next."""

    def true_j(self, role: Role, kind: str) -> float:
        """Return the energy that the role's devices used in steps of this kind inside the window."""
        total = 0.0
        for device_id, (edges_s, energy_j, kinds) in self.truth.items():
            if self.device_roles[device_id] == role:
                begin, end = (np.interp(np.clip(edges_s, *self.window_s), edges_s, energy_j)[part] for part in _PARTS)
                total += float((end - begin)[kinds == kind].sum())
        return total


_PARTS = (slice(None, -1), slice(1, None))


def simulate(
    seed: int, traffic: Traffic, engine: Engine, counters: Counters, *, disaggregated: bool = False, num_gpus: int = 1
) -> SimulatedRun:
    """Run the traffic through one engine (or a prefill and a decode engine) and poll the counters of its GPUs.

    num_gpus: of the one engine (tensor parallel); each role of a disaggregated deployment has one.
    """
    rng = np.random.default_rng(seed)
    requests, by_role = _serve(rng, traffic, engine, disaggregated)
    last_s = max(rows.rows[-1][1] for rows in by_role.values())
    end_s = last_s + IDLE_S
    truth, readings = {}, []
    device_roles: dict[str, Role] = {}
    for role, steps in by_role.items():
        for _ in range(num_gpus):
            device_id = f"gpu{len(device_roles)}"
            device_roles[device_id] = role
            edges_s, power_w, kinds = _with_background(*_with_transfer(*steps.trace(engine, end_s), steps), engine)
            energy_j = np.concatenate(([0.0], np.cumsum(power_w * np.diff(edges_s))))
            truth[device_id] = (edges_s, energy_j, kinds)
            lag_s = counters.lag_s + counters.apart_s * (len(device_roles) > 1)
            readings += _polled(rng, device_id, edges_s, energy_j, counters, lag_s, end_s)
            readings += _sampled(seed, device_id, edges_s, energy_j, end_s) if counters.with_samples else []
            readings += _active(device_id, steps, end_s) if counters.with_activity else []
    records = tuple(_record(rng, request, counters) for request in requests)
    proxy = {record.request_id: _proxy_record(r, record) for r, record in zip(requests, records, strict=True)}
    return SimulatedRun(
        records,
        proxy if disaggregated else {},
        TelemetryHeader(
            tuple(TelemetryDevice(name, "gpu", "simulated") for name in device_roles),
            interval_s=0.1,
            counter_interval_s=counters.poll_s,
            started_mono_ns=0,
            started_unix_s=0.0,
            energy_source="nvml_counter",
        ),
        tuple(readings),
        device_roles,
        ((0.5, IDLE_S - 0.5), (end_s - IDLE_S + 0.5, end_s - 0.5)),
        (IDLE_S + 2.0, IDLE_S + traffic.length_s),
        truth,
    )


def _serve(
    rng: np.random.Generator, traffic: Traffic, engine: Engine, disaggregated: bool
) -> tuple[list[_Request], dict[Role, _Steps]]:
    """Return all requests that were made, and what each engine did."""
    made: list[_Request] = []
    arriving: list[_Request] = []

    def ask(sent_s: float) -> _Request:
        prompt, output = (
            round(float(np.exp(rng.uniform(*np.log(bounds)))))
            for bounds in (traffic.num_prompt_tokens, traffic.num_output_tokens)
        )
        fails = int(rng.integers(0, output)) if rng.random() < traffic.failed_fraction else None
        ready_s = sent_s + (rng.exponential(traffic.queue_s) if traffic.queue_s else 0.0)
        made.append(_Request(len(made), sent_s, ready_s, prompt, output, fails))
        return made[-1]

    stop_s = IDLE_S + traffic.length_s
    if traffic.rate_rps is not None:
        times_s = IDLE_S + np.cumsum(
            rng.exponential(1 / traffic.rate_rps, int(traffic.rate_rps * traffic.length_s * 2))
        )
        arriving.extend(ask(float(t)) for t in times_s if t < stop_s)
    else:
        arriving.extend(ask(IDLE_S + rng.exponential(traffic.pause_s)) for _ in range(traffic.in_flight))

    def answered(now_s: float) -> None:
        if traffic.rate_rps is None and now_s < stop_s:
            arriving.append(ask(now_s + rng.exponential(traffic.pause_s)))

    if not disaggregated:
        steps = _Steps()
        _run_engine(engine, steps, arriving, answered)
        return made, {"single": steps}
    prefill, decode = _Steps(), _Steps()
    _run_pair(engine, prefill, decode, arriving, answered)
    return made, {"prefill": prefill, "decode": decode}


def _run_engine(engine: Engine, steps: _Steps, arriving: list[_Request], answered: Callable[[float], None]) -> None:
    """Step until nothing is left to do."""
    now_s = 0.0
    running: list[_Request] = []
    half: _Request | None = None  # its prompt is part way through chunked prefill
    while arriving or running or half:
        arriving.sort(key=lambda r: r.ready_s)
        ready = [r for r in arriving if r.ready_s <= now_s]
        if not ready and not running and half is None:
            now_s = min(r.ready_s for r in arriving)
            continue
        room = engine.max_running - len(running)
        prompts: list[tuple[_Request, int]] = []
        budget = engine.chunk_tokens or STEP_TOKENS
        for r in ([half] if half else []) + ready:
            left = r.num_prompt_tokens - r.prefilled
            taken = min(left, budget) if engine.chunk_tokens else left
            if room <= 0 or budget <= 0 or (not engine.chunk_tokens and prompts and taken > budget):
                break
            prompts.append((r, taken))
            room, budget = room - 1, budget - taken
        for r, _ in prompts:
            if r is not half:
                arriving.remove(r)
        decoding = running if engine.chunk_tokens or not prompts else []
        tokens = sum(taken for _, taken in prompts)
        kind = "mixed" if prompts and decoding else "prefill" if prompts else "decode"
        if prompts:
            length_s = 0.004 + tokens * engine.prefill_s_a_token
            if decoding:  # the weights are read in any case: no step beside decodes is shorter than theirs
                length_s = max(length_s, engine.decode_step_s) + len(decoding) * engine.decode_step_s_a_request
            watts = engine.prefill_power_w(tokens) + (10 * np.log2(1 + len(decoding)) if decoding else 0.0)
            dram = PREFILL_DRAM_FRACTION
        else:
            length_s, watts, dram = _decode_step(engine, decoding)
        steps.rows.append((now_s, now_s + length_s, kind, float(watts), dram))
        now_s += length_s
        half = None
        moved = list(decoding)
        for r, taken in prompts:
            r.prefilled += taken
            if r.prefilled < r.num_prompt_tokens:
                half = r
            else:
                moved.append(r)
                running.append(r)
        for r in moved:
            r.stamps_s.append(now_s)
            if len(r.stamps_s) >= _tokens_of(r):
                running.remove(r)
                answered(now_s)


def _run_pair(
    engine: Engine, prefill: _Steps, decode: _Steps, arriving: list[_Request], answered: Callable[[float], None]
) -> None:
    """Run two engines, the one that is behind first, so that a closed loop's next request is known in time."""
    clock = {"prefill": 0.0, "decode": 0.0}
    sent_on: list[_Request] = []
    running: list[_Request] = []
    while arriving or sent_on or running:
        next_prefill_s = max(clock["prefill"], min((r.ready_s for r in arriving), default=np.inf))
        due_s = min((r.prefill_done_s + TRANSFER_S for r in sent_on), default=np.inf)  # type: ignore[operator]
        next_decode_s = clock["decode"] if running else max(clock["decode"], due_s)
        if next_prefill_s <= next_decode_s:
            r = min((r for r in arriving if r.ready_s <= next_prefill_s), key=lambda r: r.ready_s)
            arriving.remove(r)
            end_s = next_prefill_s + 0.004 + r.num_prompt_tokens * engine.prefill_s_a_token
            watts = engine.prefill_power_w(r.num_prompt_tokens)
            prefill.rows.append((next_prefill_s, end_s, "prefill", watts, PREFILL_DRAM_FRACTION))
            clock["prefill"] = r.prefill_done_s = end_s
            sent_on.append(r)
            decode.moving.append((end_s, end_s + TRANSFER_S))
            continue
        joined = [r for r in sent_on if r.prefill_done_s + TRANSFER_S <= next_decode_s]  # type: ignore[operator]
        for r in joined:
            sent_on.remove(r)
        running += joined
        length_s, watts, dram = _decode_step(engine, running)
        end_s = next_decode_s + length_s
        decode.rows.append((next_decode_s, end_s, "decode", watts, dram))
        clock["decode"] = end_s
        for r in list(running):
            r.stamps_s.append(end_s)
            if len(r.stamps_s) >= _tokens_of(r):
                running.remove(r)
                answered(end_s)


def _decode_step(engine: Engine, decoding: list[_Request]) -> tuple[float, float, float]:
    """Return length [s], power [W] and DRAM activity of a decode step."""
    length_s = engine.decode_step_s + len(decoding) * engine.decode_step_s_a_request
    context_tokens = sum(request.num_context_tokens for request in decoding)
    watts = engine.decode_power_w(len(decoding)) + engine.context_w * engine.kv_fraction(context_tokens)
    return length_s, watts, engine.decode_dram_fraction(context_tokens, length_s)


def _tokens_of(request: _Request) -> int:
    return request.num_output_tokens if request.fails_after is None else max(request.fails_after, 1)


def _with_transfer(
    edges_s: np.ndarray, power_w: np.ndarray, kinds: np.ndarray, steps: _Steps
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Call the idle time `transfer` in which KV was on its way."""
    if not steps.moving:
        return edges_s, power_w, kinds
    begin_s, end_s = np.array(steps.moving).T
    cut_s = np.unique(np.concatenate([edges_s, begin_s, end_s]))
    middle_s = (cut_s[:-1] + cut_s[1:]) / 2
    piece = np.searchsorted(edges_s, middle_s) - 1
    is_moving = np.searchsorted(begin_s, middle_s) > np.searchsorted(np.sort(end_s), middle_s)
    named = np.where(is_moving & (kinds[piece] == "idle"), "transfer", kinds[piece])
    return cut_s, power_w[piece], named


def _with_background(
    edges_s: np.ndarray, power_w: np.ndarray, kinds: np.ndarray, engine: Engine
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not engine.background_w:
        return edges_s, power_w, kinds
    switches_s = np.arange(0.25, edges_s[-1], 0.5)
    cut_s = np.union1d(edges_s, switches_s)
    piece = np.searchsorted(edges_s, (cut_s[:-1] + cut_s[1:]) / 2) - 1
    on = np.searchsorted(switches_s, (cut_s[:-1] + cut_s[1:]) / 2) % 6 == 1
    return cut_s, power_w[piece] + engine.background_w * on, kinds[piece]


def _polled(
    rng: np.random.Generator,
    device_id: str,
    edges_s: np.ndarray,
    energy_j: np.ndarray,
    counters: Counters,
    lag_s: float,
    end_s: float,
) -> list[Reading]:
    """Poll a counter in millijoules that is refreshed on a beat and trails by lag_s."""
    beat_s = np.arange(rng.uniform(-1, 0) * counters.period_s, end_s, counters.period_s)
    refresh_s = beat_s + rng.normal(0, counters.jitter_s, len(beat_s))
    value_j = np.round(np.interp(refresh_s - lag_s, edges_s, energy_j), 3)
    slots_s = np.arange(rng.uniform(0, counters.poll_s), end_s, counters.poll_s)
    poll_s = np.maximum.accumulate(slots_s + np.abs(rng.normal(0, 2e-4, len(slots_s))))
    poll_s = poll_s[~_in_holes(rng, poll_s, counters.lost_fraction)]
    seen_j = value_j[np.maximum(np.searchsorted(refresh_s, poll_s, side="right") - 1, 0)]
    poll_ns = np.round(poll_s * NS_PER_S).astype(np.int64)
    return [Reading(device_id, int(t), int(t), {"energy_j": float(j)}) for t, j in zip(poll_ns, seen_j, strict=True)]


def _in_holes(rng: np.random.Generator, t_s: np.ndarray, fraction: float) -> np.ndarray:
    """Return which instants fall into holes of 60 ms in the mean that cover a fraction of the time."""
    if not fraction:
        return np.zeros(len(t_s), dtype=bool)
    begin_s = np.cumsum(rng.exponential(HOLE_S / fraction, int(2 * t_s[-1] * fraction / HOLE_S) + 10))
    end_s = begin_s + rng.exponential(HOLE_S, len(begin_s))
    return np.searchsorted(begin_s, t_s) > np.searchsorted(np.sort(end_s), t_s)


def _sampled(seed: int, device_id: str, edges_s: np.ndarray, energy_j: np.ndarray, end_s: float) -> list[Reading]:
    """Sample the power as an H100's driver does: 6 to 47 ms apart, 20 ms in the median, whoever polls."""
    rng = np.random.default_rng((seed, 2))
    gaps_s = np.clip(rng.normal(0.02, 0.003, int(end_s / 0.02)), 0.006, 0.047)
    stamp_s = np.cumsum(gaps_s)
    stamp_s = stamp_s[(stamp_s > SAMPLE_SEEN_S) & (stamp_s < end_s)]
    before_j, at_j = (np.interp(t_s, edges_s, energy_j) for t_s in (stamp_s - SAMPLE_SEEN_S, stamp_s))
    watts = np.round((at_j - before_j) / SAMPLE_SEEN_S, 3)
    stamps_ns = np.round(stamp_s * NS_PER_S).astype(np.int64)
    return [
        Reading(device_id, int(t), int(t), {"power_sample_w": float(w)}) for t, w in zip(stamps_ns, watts, strict=True)
    ]


def _active(device_id: str, steps: _Steps, end_s: float) -> list[Reading]:
    """Return DRAM activity as GPM tells it: means over stretches, one after the other."""
    edges_s = np.array([edge for row in steps.rows for edge in row[:2]])
    busy_s = np.cumsum(
        [part for begin_s, until_s, _, _, dram in steps.rows for part in (0.0, dram * (until_s - begin_s))]
    )
    stretch_s = np.arange(0.0, end_s, ACTIVITY_S)
    means = np.diff(np.interp(stretch_s, edges_s, busy_s)) / ACTIVITY_S
    stretch_ns = np.round(stretch_s * NS_PER_S).astype(np.int64)
    return [
        Reading(device_id, int(begin), int(end), {"dram_active_fraction": round(float(mean), 4)})
        for begin, end, mean in zip(stretch_ns[:-1], stretch_ns[1:], means, strict=True)
    ]


def _record(rng: np.random.Generator, request: _Request, counters: Counters) -> RequestRecord:
    stamps_s = np.array(request.stamps_s)
    if request.fails_after == 0:
        stamps_s = stamps_s[:0]
    late_s = rng.exponential(counters.stamp_delay_s, len(stamps_s))
    chunk_ns = tuple(int(t) for t in np.maximum.accumulate(np.round((stamps_s + late_s) * NS_PER_S).astype(np.int64)))
    ok = request.fails_after is None
    end_ns = chunk_ns[-1] if chunk_ns else round(request.stamps_s[-1] * NS_PER_S)
    sent_ns = round(request.sent_s * NS_PER_S)
    return RequestRecord(
        request_id=f"r{request.index}",
        index=request.index,
        scheduled_mono_ns=sent_ns,
        sent_mono_ns=sent_ns,
        headers_mono_ns=None,
        chunk_mono_ns=chunk_ns,
        chunk_num_tokens=(1,) * len(chunk_ns),
        end_mono_ns=end_ns,
        num_prompt_tokens_requested=request.num_prompt_tokens,
        num_output_tokens_requested=request.num_output_tokens,
        num_prompt_tokens=request.num_prompt_tokens,
        num_output_tokens=len(chunk_ns),
        num_cached_prompt_tokens=0,
        outcome="ok" if ok else "disconnected",
        error=None if ok else "the client went away",
        http_status=200,
        finish_reason="length" if ok else None,
        output_sha256=None,
    )


def _proxy_record(request: _Request, record: RequestRecord) -> ProxyRecord:
    done_ns = None if request.prefill_done_s is None else round(request.prefill_done_s * NS_PER_S)
    first_ns = record.chunk_mono_ns[0] if record.chunk_mono_ns else None
    sent_ns = record.sent_mono_ns or 0
    return ProxyRecord(
        record.request_id, sent_ns, "prefill-0", sent_ns, done_ns, "decode-0", done_ns, first_ns, first_ns,
        record.end_mono_ns, 200, None,
    )  # fmt: skip
