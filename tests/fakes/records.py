"""A made-up study: plausible, consistent records of cells that nobody measured, for figures and comparisons.

`fake_cell` plays a closed loop through a toy server (fixed prefill and decode times, a transfer between them when
disaggregated), then reads a toy power model: idle + a share for each phase in progress.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.phases import PhaseInterval, PhasesRecord
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.result import (
    CellResult,
    DeviceEnergy,
    Distribution,
    EnergyResult,
    Gate,
    LatencyResult,
    ThroughputResult,
    TransferResult,
    Window,
)
from llmdvfs.records.run import InstanceRecord, RunRecord, ServerStart
from llmdvfs.records.spec import (
    ArrivalSpec,
    CellId,
    DeploymentSpec,
    DeviceRole,
    EngineSpec,
    LengthSpec,
    ModelSpec,
    PromptSpec,
    Role,
    WorkloadSpec,
)
from llmdvfs.records.telemetry import TelemetryDevice, TelemetryHeader

LOAD_BEGIN_S, IDLE_AFTER_S = 2.0, 2.0
STOCK_MHZ = 1980
IDLE_W, PREFILL_W, DECODE_W = 80.0, 550.0, 300.0


@dataclass(frozen=True)
class Toy:
    """One made-up cell's settings."""

    architecture: str = "single"
    workload: str = "concurrent"
    launch: int = 1
    gpu: bool = False
    clock_mhz: int | None = None
    concurrency: int | None = None
    duration_s: float = 8.0
    gate_fails: bool = False

    @property
    def deployment(self) -> str:
        return f"{self.architecture}_tiny"

    @property
    def point(self) -> str:
        return f"clock-{self.clock_mhz}" if self.clock_mhz else "stock"

    @property
    def roles(self) -> tuple[Role, ...]:
        return ("prefill", "decode") if self.architecture == "disaggregated" else ("single",)

    @property
    def host_role(self) -> DeviceRole:
        return "single" if len(self.roles) == 1 else "host"

    @property
    def in_flight(self) -> int:
        return self.concurrency or {"prefill": 1, "decode": 1, "concurrent": 8}[self.workload]

    @property
    def workload_id(self) -> str:
        return f"{self.workload}-{self.concurrency}" if self.concurrency else self.workload

    @property
    def id(self) -> CellId:
        return CellId(self.deployment, self.workload_id, self.point, self.launch)


@dataclass(frozen=True)
class ToyRequest:
    index: int
    sent_s: float
    prefill_s: tuple[float, float]
    transfer_s: tuple[float, float] | None
    tokens_s: tuple[float, ...]

    @property
    def ttft_s(self) -> float:
        return self.tokens_s[0] - self.sent_s

    @property
    def e2e_s(self) -> float:
        return self.tokens_s[-1] - self.sent_s


def fake_cell(toy: Toy) -> MeasuredCell:
    """Return a made-up cell: no number in it was measured."""
    rng = np.random.default_rng([toy.launch, len(toy.architecture), len(toy.workload_id), toy.clock_mhz or 0])
    requests = _play(toy, rng)
    phases = _phases(toy, requests)
    timeline = _timeline(toy, phases, rng)
    return MeasuredCell(
        result=_result(toy, requests, phases, timeline),
        run=_run(toy, phases),
        phases=phases,
        header=_header(toy),
        timeline=timeline,
        samples_s=_samples(requests),
    )


def fake_study(*, gpu: bool, launches: int = 3) -> list[MeasuredCell]:
    """Return single against disaggregated on three workloads, as the default study has them."""
    return [
        fake_cell(Toy(architecture, workload, launch, gpu, duration_s=3.0))
        for architecture in ("single", "disaggregated")
        for workload in ("prefill", "decode", "concurrent")
        for launch in range(1, launches + 1)
    ]


def fake_sweep(launches: int = 2) -> list[MeasuredCell]:
    """Return clocks x batch sizes on made-up GPUs."""
    return [
        fake_cell(Toy(architecture, "concurrent", launch, True, clock, batch, duration_s=1.0))
        for architecture in ("single", "disaggregated")
        for launch in range(1, launches + 1)
        for clock in (None, 600, 1005, 1800)
        for batch in (8, 32, 128)
    ]


def _play(toy: Toy, rng: np.random.Generator) -> list[ToyRequest]:
    speed = ((toy.clock_mhz or STOCK_MHZ) / STOCK_MHZ) * (1.0 + 0.02 * rng.standard_normal())
    prompt, output = {"prefill": (512, 1), "decode": (32, 128), "concurrent": (288, 64)}[toy.workload]
    base_tbt_s = (0.004 if toy.gpu else 0.012) / speed**0.3 * (1 + toy.in_flight / 40)
    prefill_free, ready, requests = LOAD_BEGIN_S, [LOAD_BEGIN_S] * toy.in_flight, []
    while min(ready) < LOAD_BEGIN_S + toy.duration_s:
        slot = ready.index(min(ready))
        sent = ready[slot]
        begin = max(sent + 0.001, prefill_free)
        end = begin + prompt * (6e-5 if toy.gpu else 3e-4) / speed * rng.lognormal(0, 0.08)
        prefill_free = end
        transfer = (end + 0.001, end + 0.001 + rng.lognormal(-3.6, 0.2)) if len(toy.roles) > 1 else None
        first = transfer[1] + base_tbt_s if transfer else end
        gaps = base_tbt_s * rng.lognormal(0, 0.12, size=output - 1)
        tokens = first + np.concatenate([[0.0], np.cumsum(gaps)])
        requests.append(ToyRequest(len(requests), sent, (begin, end), transfer, tuple(tokens)))
        ready[slot] = tokens[-1] + 0.002
    return requests


def _phases(toy: Toy, requests: list[ToyRequest]) -> PhasesRecord:
    first, last = toy.roles[0], toy.roles[-1]
    intervals: list[PhaseInterval] = []
    for request in requests:
        intervals.append(PhaseInterval(request.index, "prefill", first, *request.prefill_s, is_bound=False))
        if request.transfer_s:
            intervals.append(PhaseInterval(request.index, "transfer", last, *request.transfer_s, is_bound=True))
        if len(request.tokens_s) > 1:
            begin, end = request.tokens_s[0], request.tokens_s[-1]
            intervals.append(PhaseInterval(request.index, "decode", last, begin, end, is_bound=False))
    load_end = max(request.tokens_s[-1] for request in requests)
    return PhasesRecord(
        intervals=tuple(intervals),
        device_roles={f"gpu{i}": role for i, role in enumerate(toy.roles)} if toy.gpu else {"cpu": toy.host_role},
        load_begin_s=LOAD_BEGIN_S,
        load_end_s=load_end,
        window_begin_s=LOAD_BEGIN_S + 0.5,
        window_end_s=load_end - 0.5,
    )


def _active(phases: PhasesRecord, t_s: np.ndarray, phase: str, role: str | None = None) -> np.ndarray:
    return sum(
        ((t_s >= i.begin_s) & (t_s < i.end_s)).astype(int)
        for i in phases.intervals
        if i.phase == phase and role in (None, i.role)
    ) + np.zeros(len(t_s), dtype=int)


def _timeline(toy: Toy, phases: PhasesRecord, rng: np.random.Generator) -> pd.DataFrame:
    t_s = np.arange(0.0, phases.load_end_s + IDLE_AFTER_S, 0.1)
    return pd.concat([_device_rows(toy, phases, device, role, t_s, rng) for device, role in _devices(toy)])


def _devices(toy: Toy) -> list[tuple[str, Role | None]]:
    return [(f"gpu{i}", role) for i, role in enumerate(toy.roles)] if toy.gpu else [("cpu", None)]


def _device_rows(
    toy: Toy, phases: PhasesRecord, device: str, role: Role | None, t_s: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    prefilling = _active(phases, t_s, "prefill", role)
    decoding = _active(phases, t_s, "decode", role)
    noise = rng.standard_normal(len(t_s))
    frame = pd.DataFrame({"t_s": t_s, "device_id": device, "role": role or "", "num_prefilling": prefilling})
    frame["num_transferring"] = _active(phases, t_s, "transfer", role)
    frame["num_decoding"] = decoding
    frame["phase"] = np.select(
        [(prefilling > 0) & (decoding > 0), prefilling > 0, decoding > 0, frame.num_transferring > 0],
        ["mixed", "prefill", "decode", "transfer"],
        "idle",
    )
    busy = (prefilling + decoding) > 0
    if not toy.gpu:
        frame["cpu_utilisation_fraction"] = np.clip(0.04 + 0.85 * busy + 0.03 * noise, 0, 1)
        frame["cpu_clock_mhz"] = 2600 + 25 * noise
        return frame
    clock = toy.clock_mhz or STOCK_MHZ
    share = (clock / STOCK_MHZ) ** 1.8
    batch = np.minimum(decoding, 64) / 64
    load_w = np.maximum((prefilling > 0) * PREFILL_W, (decoding > 0) * (DECODE_W * (0.5 + 0.5 * batch)))
    frame["power_instant_w"] = IDLE_W + share * load_w + 4 * noise
    frame["energy_j"] = 1e5 + np.concatenate([[0.0], np.cumsum(np.diff(t_s) * frame.power_instant_w[1:])])
    frame["sm_clock_mhz"] = np.where(busy, clock, 345)
    frame["memory_clock_mhz"] = 3201
    frame["gpu_utilisation_fraction"] = np.clip(0.95 * busy, 0, 1)
    frame["temperature_c"] = 38 + 14 * (1 - np.exp(-t_s / 6))
    return frame


def _samples(requests: list[ToyRequest]) -> dict[str, np.ndarray]:
    return {
        "ttft_s": np.array([request.ttft_s for request in requests]),
        "e2e_s": np.array([request.e2e_s for request in requests]),
        "tbt_s": np.concatenate([np.diff(request.tokens_s) for request in requests]),
        "kv_transfer_s": np.array([r.transfer_s[1] - r.transfer_s[0] for r in requests if r.transfer_s]),
    }


def distribution(values: np.ndarray) -> Distribution:
    if len(values) == 0:
        return Distribution(0)
    quantiles = [float(q) for q in np.percentile(values, [50, 90, 95, 99])]
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Distribution(len(values), float(np.mean(values)), sd, float(min(values)), *quantiles, float(max(values)))


def _result(toy: Toy, requests: list[ToyRequest], phases: PhasesRecord, timeline: pd.DataFrame) -> CellResult:
    samples = _samples(requests)
    output = sum(len(request.tokens_s) for request in requests)
    span = phases.load_end_s - phases.load_begin_s
    ttft, tbt, e2e = (distribution(samples[name]) for name in ("ttft_s", "tbt_s", "e2e_s"))
    status = "failed" if toy.gate_fails else "passed"
    return CellResult(
        key=f"key-{toy.id.folder()}",
        cell=toy.id,
        server_start_id=f"start-{toy.deployment}-{toy.launch}",
        window=Window(phases.window_begin_s, phases.window_end_s, "steady", "made up"),
        latency=LatencyResult(ttft, ttft, tbt, tbt, tbt, e2e, e2e, distribution(np.zeros(len(requests)))),
        throughput=ThroughputResult(
            num_requests=len(requests),
            outcomes={"ok": len(requests)},
            failed_fraction=0.0,
            num_prompt_tokens=100 * len(requests),
            num_output_tokens=output,
            request_rate_rps=len(requests) / span,
            prompt_token_rate_per_s=100 * len(requests) / span,
            output_token_rate_per_s=output / span,
            goodput_rps=len(requests) / span,
            slo_attainment_fraction=1.0,
        ),
        energy=_energy(toy, len(requests), output, phases, timeline, e2e),
        transfer=_transfer(samples, ttft) if len(toy.roles) > 1 else None,
        gates=(Gate("missed_samples", status, "3 %" if toy.gate_fails else "0 %", "< 1 %", "free a core"),),
        warnings=(),
    )


def _transfer(samples: dict[str, np.ndarray], ttft: Distribution) -> TransferResult:
    transfer = distribution(samples["kv_transfer_s"])
    rest = ttft.mean - transfer.mean - 0.008
    parts = {"queue": 0.003, "prefill": rest, "transfer": transfer.mean, "first_decode": 0.004, "residual": 0.001}
    return TransferResult(
        method="upper_bound_from_stamps",
        time_s=transfer,
        bytes_per_request=Distribution(0),
        rate_bytes_per_s=None,
        external_kv_tokens=287.0,
        decode_prompt_tokens=288.0,
        ttft_parts_s={name: Distribution(1, value) for name, value in parts.items()},
    )


def _energy(
    toy: Toy, num_requests: int, output: int, phases: PhasesRecord, timeline: pd.DataFrame, e2e: Distribution
) -> EnergyResult:
    inside = timeline[timeline.t_s.between(phases.load_begin_s, phases.load_end_s)]
    devices = tuple(_device_energy(toy, rows, device, role) for (device, role), rows in _by_device(toy, inside))
    gross = sum(device.counter_j for device in devices) if toy.gpu else None
    per_request = gross / num_requests if gross else None
    return EnergyResult(
        source="nvml_counter" if toy.gpu else "none",
        method="made up",
        gross_j=gross,
        net_j=None,
        mean_power_w=gross / (phases.load_end_s - phases.load_begin_s) if gross else None,
        energy_per_prompt_token_j=None,
        energy_per_output_token_j=gross / output if gross else None,
        energy_per_token_j=None,
        energy_per_request_j=per_request,
        output_tokens_per_j=output / gross if gross else None,
        energy_delay_product_js=per_request * e2e.mean if per_request else None,
        by_role_j={},
        phases=(),
        phase_label="none",
        condition_number=None,
        devices=devices,
    )


def _by_device(toy: Toy, frame: pd.DataFrame) -> list[tuple[tuple[str, DeviceRole], pd.DataFrame]]:
    return [((device, role or toy.host_role), frame[frame.device_id == device]) for device, role in _devices(toy)]


def _device_energy(toy: Toy, rows: pd.DataFrame, device: str, role: DeviceRole) -> DeviceEnergy:
    clock, busy = ("sm_clock_mhz", "gpu_utilisation_fraction") if toy.gpu else ("", "cpu_utilisation_fraction")
    return DeviceEnergy(
        device_id=device,
        role=role,
        counter_j=float(rows.energy_j.iloc[-1] - rows.energy_j.iloc[0]) if toy.gpu else None,
        integral_j=None,
        disagreement_fraction=None,
        idle_power_w=IDLE_W if toy.gpu else None,
        mean_power_w=float(rows.power_instant_w.mean()) if toy.gpu else None,
        max_power_w=float(rows.power_instant_w.max()) if toy.gpu else None,
        update_period_s=0.1,
        sm_clock_mhz=distribution(rows[clock].to_numpy()) if clock else Distribution(0),
        temperature_c=Distribution(0),
        utilisation_fraction=distribution(rows[busy].to_numpy()),
    )


def _run(toy: Toy, phases: PhasesRecord) -> RunRecord:
    engine = {role: EngineSpec(dtype="bfloat16") for role in toy.roles}
    deployment = DeploymentSpec(
        id=toy.deployment,
        architecture=toy.architecture,
        model=ModelSpec("tiny", "tiny", ""),
        device="cuda" if toy.gpu else "cpu",
        engine=engine,
        num_instances=dict.fromkeys(toy.roles, 1),
    )
    instances = tuple(
        InstanceRecord(f"{role}-0", role, "", (), {}, (f"gpu{i}",) if toy.gpu else ("cpu",), None, None, "")
        for i, role in enumerate(toy.roles)
    )
    start = ServerStart(f"start-{toy.deployment}-{toy.launch}", 0.0, instances, {"vllm": "0.32.0"})
    clocks = dict.fromkeys(toy.roles, toy.clock_mhz) if toy.clock_mhz else {}
    return RunRecord(
        key=f"key-{toy.id.folder()}",
        cell=toy.id,
        deployment=deployment,
        workload=fake_workload(toy),
        point=OperatingPoint(toy.point, sm_clock_mhz=clocks),
        server_start=start,
        order_in_launch=0,
        seeds={"prompts": 7, "arrivals": 8},
        started_unix_s=0.0,
        started_mono_ns=0,
        load_begin_mono_ns=round(phases.load_begin_s * 1e9),
        load_end_mono_ns=round(phases.load_end_s * 1e9),
        idle_before=None,
        idle_after=None,
        energy_source="nvml_counter" if toy.gpu else "none",
        versions={},
        hardware={"cpu_model": "a made-up CPU"},
        kv_bytes_per_token=None,
    )


def fake_workload(toy: Toy) -> WorkloadSpec:
    prompt, output = {"prefill": (512, 1), "decode": (32, 128), "concurrent": (288, 64)}[toy.workload]
    return WorkloadSpec(
        id=toy.workload_id,
        prompts=PromptSpec("random", LengthSpec("fixed", prompt), LengthSpec("fixed", output)),
        arrival=ArrivalSpec("closed", concurrency=toy.in_flight),
        num_requests=None,
        duration_s=toy.duration_s,
        isolates=toy.workload if toy.workload in ("prefill", "decode") else None,
    )


def _header(toy: Toy) -> TelemetryHeader:
    devices = tuple(
        TelemetryDevice(device, "gpu" if toy.gpu else "cpu", "a made-up device") for device, _ in _devices(toy)
    )
    return TelemetryHeader(devices, 0.1, 0.02 if toy.gpu else None, 0, 0.0, "nvml_counter" if toy.gpu else "none")
