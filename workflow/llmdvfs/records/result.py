"""The numbers of one cell: `result.json`. Every field is defined in docs/metrics.md."""

from dataclasses import dataclass, field
from typing import Literal

from llmdvfs.records.load import CalibrationResult
from llmdvfs.records.spec import CellId, DeviceRole, Phase, Role
from llmdvfs.records.telemetry import EnergySource


@dataclass(frozen=True, slots=True)
class Distribution:
    """Summary of a sample; every field but the numbers is None where n is 0, and p99 below n = 100."""

    n: int
    mean: float | None = None
    sd: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    num_at_least: int = 0
    """Of n, requests that timed out: they entered with the time until then, so what reaches them is a lower bound."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the load from which rates and energies are taken, in seconds since the cell's start."""

    begin_s: float
    end_s: float
    kind: Literal["steady", "whole"]
    reason: str
    """How the steady window was found, or why there is none."""


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """Latencies of the requests scheduled in the window, whenever they ended.

    `tbt_s` and `chunk_gap_s` are distributions over the gaps of these requests, all others over requests.
    """

    ttft_s: Distribution
    """Time to first token, counted from the scheduled send."""
    ttft_from_sent_s: Distribution
    tpot_s: Distribution
    tbt_s: Distribution
    chunk_gap_s: Distribution
    e2e_s: Distribution
    normalised_latency_s: Distribution
    lateness_s: Distribution


@dataclass(frozen=True, slots=True)
class ThroughputResult:
    """Rates over the window; `outcomes` and `failed_fraction` are of the whole load."""

    num_requests: int
    outcomes: dict[str, int]
    failed_fraction: float
    num_prompt_tokens: int
    num_output_tokens: int
    request_rate_rps: float | None
    prompt_token_rate_per_s: float | None
    output_token_rate_per_s: float | None
    goodput_rps: float | None
    slo_attainment_fraction: float | None


@dataclass(frozen=True, slots=True)
class TransferLink:
    """The link that the KV cache had to cross.

    Either the network over which it was sent, or the slowest link between a prefill and a decode GPU.
    """

    kind: Literal["nvlink", "pcie", "network"]
    rate_bytes_per_s: float | None
    """Nominal rate in one direction; None: driver or system do not tell."""
    nvlink_sent_bytes: float | None
    """Bytes that the prefill GPUs sent over NVLink during the cell, by their counters; None: they have no such
    counters."""
    is_measured: bool = False
    """Whether the rate is what one TCP stream between the hosts carried just before the cell, not a nominal one."""


@dataclass(frozen=True, slots=True)
class TransferResult:
    """KV transfer of a disaggregated deployment: how it was measured, how long it took, how much was moved."""

    method: Literal["connector_metric", "upper_bound_from_stamps", "none"]
    time_s: Distribution
    bytes_per_request: Distribution
    rate_bytes_per_s: float | None
    external_kv_tokens: float | None
    """Prompt tokens that decode took from the transferred cache."""
    decode_prompt_tokens: float | None
    """All prompt tokens of the decode instances; the rest of them was recomputed."""
    ttft_parts_s: dict[str, Distribution] = field(default_factory=dict)
    """Distribution of each part of the TTFT from the send: queue, prefill, transfer, first_decode, residual; in each
    request the parts add up to it."""
    piece_bytes: float | None = None
    """Mean size of the pieces in which the connector moves the cache; None: it does not tell."""
    moved_bytes: float | None = None
    """All that the connector says it has moved, warm-up included; None: it does not tell."""
    link: TransferLink | None = None
    """None: the instances are not on GPUs of one host, or it was not recorded."""
    carried_bytes_per_s: float | None = None
    """All requests' KV over the time in which any of it was on its way; None: size or times are not known."""


@dataclass(frozen=True, slots=True)
class BalanceResult:
    """How evenly the proxy spread the load over the instances."""

    requests_by_instance: dict[str, int]
    """Requests that each instance took part in, answered or not."""
    imbalance_fraction: float | None
    """Requests of the busiest instance over the mean of its role, minus 1, of the role where that is largest; None: no
    role has two instances."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval.

    value None: it was not measured, or cannot be told from the data; `reason` says why.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PhaseEnergy:
    """Energy that the devices of one role used in one phase, inside the window."""

    role: DeviceRole
    phase: Phase
    occupancy_s: float
    """Device-seconds spent in the phase inside the window."""
    power_w: Estimate
    """Mean power of one device while in the phase."""
    energy_j: Estimate
    mean_stretch_s: float | None = None
    """Mean length of the role's uninterrupted times in the phase; None in a result older than this field."""
    sensor: Literal["energy", "power_samples"] = "energy"
    """By what the role's energy was split: the counter (or integrated power), or the driver's own power samples."""


@dataclass(frozen=True, slots=True)
class SensorTraits:
    """How often a sensor of this device takes a new value and by how much, found from the run's own readings."""

    update_period_s: float
    """Median time between two new values; never below poll_interval_s, since polling sees nothing shorter."""
    step: float
    """Median change from one value to the next, in the quantity's unit."""
    num_updates: int
    poll_interval_s: float


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """Energy of one device over the window, by independent methods, and its condition meanwhile."""

    device_id: str
    role: DeviceRole | None
    """None: the device serves nobody here; it is reported, and never added to the deployment's energy."""
    counter_j: float | None
    """Energy by the device's own counter."""
    integral_j: float | None
    """Energy by integrating its instant power over time (trapezoids)."""
    disagreement_fraction: float | None
    """By how much the two part: integral_j / counter_j - 1."""
    idle_power_w: float | None
    """Mean power with the model loaded and no requests, measured before and after the load."""
    mean_power_w: float | None
    max_power_w: float | None
    update_period_s: float | None
    """Update period of the sensor that the energy was taken from, found from this run's data."""
    sm_clock_mhz: Distribution
    """Core clock, of a GPU or a CPU."""
    temperature_c: Distribution
    utilisation_fraction: Distribution
    sensors: dict[str, SensorTraits] = field(default_factory=dict)
    """quantity -> traits, for the power and energy sensors that changed often enough to tell."""
    memory_power_w: float | None = None
    """Mean power of the GPU's memory (HBM) over the window, a part of `mean_power_w`; None: no such sensor."""


ActivityBound = Literal["compute", "memory", "neither"]


@dataclass(frozen=True, slots=True)
class RoleActivity:
    """How busy the parts of a role's GPUs were, as a mean over them; None: not measured, or not to be told."""

    role: DeviceRole
    phase: Phase | None
    """The phase that it is about; None: the whole window."""
    sm_fraction: float | None
    """Share of the streaming multiprocessors (SMs) that were busy."""
    tensor_fraction: float | None
    """Share of the time in which tensor cores worked."""
    dram_fraction: float | None
    """Share of the DRAM's bandwidth that was used."""
    memory_power_w: float | None
    """Power of the memory (HBM), which is a part of the device's power."""
    bound_by: ActivityBound | None
    """Which of tensor cores and DRAM works at least half of the time, and more than the other."""
    batch_size: float | None = None
    """Requests in a decode step, mean over steps; None: another phase, or steps cannot be told."""

    @property
    def words(self) -> str | None:
        """Return it in one line: `decode at batch 8: tensor 2 %, DRAM 65 %: bound by memory`; None: not known."""
        if self.tensor_fraction is None or self.dram_fraction is None:
            return None
        at = f" at batch {self.batch_size:.0f}" if self.batch_size is not None else ""
        bound = {"neither": "bound by neither", "compute": "bound by compute", "memory": "bound by memory", None: ""}
        return (
            f"{self.phase or 'all'}{at}: tensor {self.tensor_fraction:.0%}, DRAM {self.dram_fraction:.0%}: "
            f"{bound[self.bound_by]}"
        ).replace("%", " %")


@dataclass(frozen=True, slots=True)
class FinePhase:
    """A phase as the driver's own power samples tell it."""

    phase: Phase
    occupancy_s: float
    """Device-seconds in the phase that the samples saw."""
    power_w: Estimate
    """Mean over the role's devices, scaled to the counter's energy."""


@dataclass(frozen=True, slots=True)
class FineSplit:
    """What the driver's power samples (one in about 20 ms) say of a role beside the counter, and how blind they are."""

    role: DeviceRole
    num_samples: int
    gap_s: float
    """Median time between two samples."""
    blind_fraction: float
    """Of the time between the first and the last sample that no sample saw, each seeing the 25 ms before it."""
    counter_difference_fraction: float | None
    """Integral of the samples / energy by the counter - 1; None: the counter did not move."""
    aliasing_fraction: float | None
    """Standard deviation of that ratio over stretches of 1 s: what a load in step with the sampling makes of it."""
    lag_s: float
    """By how much the samples trail the phases' edges."""
    phases: tuple[FinePhase, ...]
    transient_fraction: float | None
    """Power in the first 0.1 s after an idle time / power later, - 1, of the phase that follows idle times; None: too
    little of either."""


@dataclass(frozen=True, slots=True)
class EnergyResult:
    """Energy of the deployment over the window: the sum over its devices."""

    source: EnergySource
    method: str
    gross_j: float | None
    net_j: float | None
    """Gross energy minus loaded-idle power times the length of the window."""
    mean_power_w: float | None
    energy_per_prompt_token_j: float | None
    energy_per_output_token_j: float | None
    energy_per_token_j: float | None
    """Gross energy divided by prompt and output tokens together."""
    energy_per_request_j: float | None
    output_tokens_per_j: float | None
    energy_delay_product_js: float | None
    """Energy per request times mean end-to-end latency."""
    by_role_j: dict[str, float | None]
    """Energy of each role: what its own devices' counters rose by, so measured, not attributed."""
    phases: tuple[PhaseEnergy, ...]
    phase_label: Literal["measured", "attributed", "none"]
    """How energy was split among phases. attributed: by regression, on a role's own GPUs too; measured: only in results
    of older versions."""
    condition_number: float | None
    """Condition number of the phase regression; above the configured limit the phases are not identifiable."""
    devices: tuple[DeviceEnergy, ...]
    lag_by_role_s: dict[str, float] = field(default_factory=dict)
    """By how many seconds the energy readings trail the phases' edges, found from the data; empty: no regression was
    made."""
    phase_source_by_role: dict[str, Literal["engine_steps", "requests"]] = field(default_factory=dict)
    """What the phases were told by: steps of the engine, or the requests' own phases where steps cannot be told."""
    fine: tuple[FineSplit, ...] = ()
    """Of each role whose devices all have the driver's power samples."""


@dataclass(frozen=True, slots=True)
class StepCount:
    """Steps of a role's engine over the whole load: as told from the stamps, and as the engine counts them itself."""

    role: Role
    num_told: int
    """Steps that the client's and the proxy's stamps tell apart; prefills that end together are one."""
    num_counted: float | None
    """Steps that the engine counted between the two scrapes, the warm-up's included; None: it does not tell."""
    tokens_per_step: float | None
    """Mean number of tokens that the engine computed in a step; None: it does not tell."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One validity check of a cell.

    A failed gate marks the result as doubtful; it never drops it.
    """

    name: str
    status: Literal["passed", "failed", "not_applicable"]
    seen: str
    expected: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CellResult:
    """All numbers of one cell: its `result.json`, and one row of the comparison."""

    key: str
    cell: CellId
    server_start_id: str
    window: Window
    latency: LatencyResult
    throughput: ThroughputResult
    energy: EnergyResult
    transfer: TransferResult | None
    gates: tuple[Gate, ...]
    warnings: tuple[str, ...]
    client: CalibrationResult | None = None
    """The client's own error at this load; None: not calibrated."""
    balance: BalanceResult | None = None
    """None: no proxy stood before the servers."""
    activity: tuple[RoleActivity, ...] = ()
    """By role, and of it by phase; empty: no device tells any of it."""
    step_counts: tuple[StepCount, ...] = ()
    """Of each role whose engine's steps could be told; empty: of none."""

    @property
    def valid(self) -> bool:
        """Whether no gate failed."""
        return all(gate.status != "failed" for gate in self.gates)
