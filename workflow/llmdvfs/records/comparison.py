"""Deployments side by side: `comparison.json` and, flat, `comparison.csv` (docs/metrics.md#comparison)."""

from dataclasses import dataclass, field
from typing import Literal

from llmdvfs.records.point import GpuSetting, PointState
from llmdvfs.records.result import Estimate, Gate
from llmdvfs.records.spec import CellId, DeviceRole, Phase

Pairing = Literal["paired", "unpaired", "none"]
Better = Literal["lower", "higher"]
Conclusion = Literal["better", "worse", "different", "equal", "no_loss", "undecided", "no_conclusion"]
"""What a ratio shows. `better`, `worse` or (where neither is) `different`: at 5 % over the whole family. Else `equal`:
within the margin of the baseline, or `no_loss`: not worse by more than that. Else nothing yet: `undecided`, or
`no_conclusion` where the launches differ too much for the ratio to mean anything."""


DECIDED: tuple[Conclusion, ...] = ("better", "worse", "different")
"""Conclusions that claim a difference."""
MAX_MORE_LAUNCHES = 100
FAMILY = (
    "ttft_p50_s",
    "ttft_p99_s",
    "tpot_mean_s",
    "tbt_p99_s",
    "e2e_mean_s",
    "output_token_rate_per_s",
    "goodput_rps",
    "slo_attainment_fraction",
    "energy_per_output_token_j",
    "prefill_energy_per_prompt_token_j",
    "decode_energy_per_output_token_j",
)
"""The metrics that claims are made of, in the order of tables: their ratios to the baseline are one family of tests."""


@dataclass(frozen=True, slots=True)
class Metric:
    """How a compared metric is shown; its values are kept in SI, in the unit that its name says."""

    label: str
    unit: str
    """Shown unit; empty for a share."""
    per_unit: float = 1.0
    """Shown value = value x per_unit."""
    grows_with_gpus: bool = False
    """Compared per GPU where two deployments have different numbers of them."""
    of_energy: bool = False
    """Compared only between values of one energy source."""
    better: Better | None = None
    """Which values are better; None: neither, it describes the run."""


METRICS: dict[str, Metric] = {
    "ttft_p50_s": Metric("TTFT p50", "ms", 1e3, better="lower"),
    "ttft_p99_s": Metric("TTFT p99", "ms", 1e3, better="lower"),
    "tpot_mean_s": Metric("TPOT mean", "ms", 1e3, better="lower"),
    "tbt_p50_s": Metric("TBT p50", "ms", 1e3, better="lower"),
    "tbt_p99_s": Metric("TBT p99", "ms", 1e3, better="lower"),
    "e2e_mean_s": Metric("E2E mean", "ms", 1e3, better="lower"),
    "decode_mean_s": Metric("E2E - TTFT mean", "ms", 1e3, better="lower"),
    "output_token_rate_per_s": Metric("Output tokens", "1/s", grows_with_gpus=True, better="higher"),
    "goodput_rps": Metric("Goodput", "req/s", grows_with_gpus=True, better="higher"),
    "slo_attainment_fraction": Metric("Requests within the limits", "%", 1e2, better="higher"),
    "energy_per_output_token_j": Metric("Energy per output token", "J", of_energy=True, better="lower"),
    "energy_per_request_j": Metric("Energy per request", "J", of_energy=True, better="lower"),
    "prefill_energy_per_prompt_token_j": Metric(
        "Prefill energy per prompt token", "mJ", 1e3, of_energy=True, better="lower"
    ),
    "decode_energy_per_output_token_j": Metric(
        "Decode energy per output token", "mJ", 1e3, of_energy=True, better="lower"
    ),
    "mean_power_w": Metric("Mean power", "W", grows_with_gpus=True, of_energy=True),
    "energy_delay_product_js": Metric("Energy-delay product", "J s", of_energy=True, better="lower"),
    "sm_clock_mean_mhz": Metric("Core clock", "MHz"),
    "prefill_sm_clock_mean_mhz": Metric("Core clock of prefill", "MHz"),
    "decode_sm_clock_mean_mhz": Metric("Core clock of decode", "MHz"),
    "utilisation_mean_fraction": Metric("Utilisation", "%", 1e2),
    "prefill_tensor_fraction": Metric("Tensor cores in prefill", "%", 1e2),
    "decode_dram_fraction": Metric("DRAM in decode", "%", 1e2),
    "memory_power_fraction": Metric("Memory's share of energy", "%", 1e2, of_energy=True),
    "kv_transfer_mean_s": Metric("KV transfer", "ms", 1e3, better="lower"),
    "kv_rate_bytes_per_s": Metric("KV rate", "GB/s", 1e-9, better="higher"),
    "external_kv_fraction": Metric("Prompt taken from transferred KV", "%", 1e2),
    "imbalance_fraction": Metric("Imbalance of instances", "%", 1e2, better="lower"),
    "failed_fraction": Metric("Failed requests", "%", 1e2, better="lower"),
}


@dataclass(frozen=True, slots=True)
class CellRow:
    """One planned cell; a cell without a result is a row too."""

    cell: CellId
    architecture: str | None
    status: Literal["ok", "gate_failed", "no_result"]
    reason: str | None
    """What the failed gates saw and expected, or why there is no result."""
    failed_gates: tuple[str, ...]
    key: str | None
    server_start_id: str | None
    energy_source: str | None
    values: dict[str, float | None]
    """By name in METRICS; None: not measured."""
    ttft_parts_s: dict[str, float | None] = field(default_factory=dict)
    """Disaggregated: mean of each part of TTFT: queue, prefill, transfer, first_decode, residual."""
    point_state: PointState | None = None
    """What became of the operating point; None: there is no result."""
    settings: tuple[GpuSetting, ...] = ()
    """Clocks and limits as they were applied; empty unless `applied`."""


@dataclass(frozen=True, slots=True)
class LaunchValue:
    """One metric of one cell."""

    launch: int
    server_start_id: str
    value: float | None
    valid: bool
    """No gate of the cell failed; an invalid value counts like any other, and is drawn grey."""
    applied: bool = True
    """The cell ran at the operating point that its name says; else the value is in no mean and no ratio."""


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """One metric of one deployment over its server starts."""

    by_launch: tuple[LaunchValue, ...]
    n: int
    """Server starts with a value at the operating point."""
    sd: float | None
    """Between server starts; None below two."""
    mean: Estimate
    """With its 95 % t-interval, of the logs where geometric; no interval below two server starts."""
    statistic: Literal["geometric", "arithmetic"] = "arithmetic"
    """geometric where every server start's value is above 0: the same mean that ratios are made of."""
    lowest: float | None = None
    """The lowest of the n values that the mean is made of ..."""
    highest: float | None = None
    """... and the highest."""


@dataclass(frozen=True, slots=True)
class DeploymentSummary:
    """A deployment at the group's workload and operating point."""

    id: str
    architecture: str
    model: str
    num_gpus: int | None
    """0 on a CPU; None: not known (`external`)."""
    num_without_result: int
    metrics: dict[str, MetricSummary]
    sm_clock_mhz: dict[str, float] = field(default_factory=dict)
    """Core clock of each role as it was applied, on the GPU's own grid; empty: left alone, or applied in no launch."""
    memory_clock_mhz: dict[str, float] = field(default_factory=dict)
    power_limit_w: dict[str, float] = field(default_factory=dict)
    not_applied_launches: tuple[int, ...] = ()
    """Launches that did not run at the operating point: they are in `by_launch`, in no mean and in no ratio."""
    sm_clock_min_mhz: dict[str, float] = field(default_factory=dict)
    """Lower end of the core clock of each role under a ceiling, as applied; roles that are locked are not named."""

    @property
    def was_never_applied(self) -> bool:
        """Whether no launch ran at the operating point: all of them ran as the GPUs were found."""
        return bool(self.not_applied_launches) and not self.metrics["failed_fraction"].n


@dataclass(frozen=True, slots=True)
class LaunchRatio:
    """other / baseline within one launch."""

    launch: int
    ratio: float
    valid: bool


@dataclass(frozen=True, slots=True)
class MetricRatio:
    """other / baseline of one metric: the ratio of geometric means over server starts, with its 95 % interval."""

    ratio: Estimate
    pairing: Pairing
    n_baseline: int
    """Server starts used; for `paired` both are the number of pairs."""
    n_other: int
    per_gpu: bool
    """Both values were divided by their deployment's number of GPUs."""
    valid: bool
    """No gate failed in any cell behind it."""
    by_launch: tuple[LaunchRatio, ...]
    """Empty unless paired."""
    baseline_mean: float | None = None
    """Geometric mean of the baseline over the launches of the ratio: other_mean / baseline_mean is the ratio ..."""
    other_mean: float | None = None
    """... and of the other deployment; both per GPU where the ratio is."""
    p_value: float | None = None
    """Two-sided, that the true ratio is 1; None without an interval."""
    adjusted_p_value: float | None = None
    """The same over all ratios of the family (Holm); None outside it."""
    equal_p_value: float | None = None
    """That the true ratio is off 1 by the margin or more, to either side (two one-sided tests)."""
    no_loss_p_value: float | None = None
    """That the other deployment is worse by the margin or more; None where neither direction is better."""
    conclusion: Conclusion | None = None
    """None without an interval."""
    launches_differ_factor: float | None = None
    """Largest over smallest ratio of a launch; unpaired, largest over smallest value on the side where it is more."""
    num_more_launches: int | None = None
    """About so many more launches would decide; MAX_MORE_LAUNCHES stands for more; None: decided, or no interval."""
    without_doubtful: Estimate | None = None
    """The ratio over the launches in which no gate failed; None where that is all of them, or none."""


@dataclass(frozen=True, slots=True)
class DeploymentPair:
    """Two deployments; they are compared only if nothing but the architecture and its size differs."""

    baseline: str
    other: str
    differences: tuple[str, ...]
    """Not empty: the pair is refused, and why."""
    caveats: tuple[str, ...]
    ratios: dict[str, MetricRatio]
    """By name in METRICS; empty where refused."""
    held_equal: tuple[str, ...] = ()
    """What both have alike, by name and value."""
    varied: tuple[str, ...] = ()
    """What sets them apart, by name and both values; unlike things that were compared because that was asked too."""


@dataclass(frozen=True, slots=True)
class ComparisonGroup:
    """All deployments at one workload and one operating point."""

    workload: str
    point: str
    batch_size: int | None
    """Requests in flight at once: concurrency of a closed loop, size of equal waves; None: the load is another."""
    sweep: str
    """Name shared by the workloads that differ in nothing but batch size and length of the run."""
    sm_clock_mhz: dict[str, int]
    """Core clock that was asked for each role; what was applied is said by each deployment."""
    deployments: tuple[DeploymentSummary, ...]
    pairs: tuple[DeploymentPair, ...]
    memory_clock_mhz: dict[str, int] = field(default_factory=dict)
    power_limit_w: dict[str, float] = field(default_factory=dict)
    sm_clock_min_mhz: dict[str, int] = field(default_factory=dict)
    """Roles whose core clock may move below `sm_clock_mhz`, a ceiling: down to here, 0: as low as the GPU goes."""

    @property
    def asks_for_something(self) -> bool:
        """Whether the operating point sets any clock or limit; else it is stock."""
        return bool(self.sm_clock_mhz or self.memory_clock_mhz or self.power_limit_w)


@dataclass(frozen=True, slots=True)
class IsolationCheck:
    """The power attributed to a phase under a load with several, beside a load that has this phase alone."""

    cell: CellId
    isolating_workload: str
    """Of the same deployment, launch and operating point, with as many requests in flight."""
    role: DeviceRole
    phase: Phase
    attributed_w: Estimate
    isolated_w: Estimate
    difference_fraction: float | None
    """attributed / isolated - 1; None where one of them is null."""
    gate: Gate


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """Every cell of the study, summarised by deployment and compared between deployments."""

    groups: tuple[ComparisonGroup, ...]
    cells: tuple[CellRow, ...]
    energy_note: str | None
    """`no power data on this machine` where no cell has any."""
    warnings: tuple[str, ...]
    verdict: tuple[str, ...] = ()
    """Up to three sentences: what the others cost and bring beside the baseline, at the busiest load."""
    margin_fraction: float = 0.05
    """A ratio within this of 1 counts as equal."""
    family_size: int = 0
    """Ratios over which p-values were adjusted."""
    modelled: bool = False
    """A GPU of some cell was a formula: nothing here speaks of a real one."""
    isolation: tuple[IsolationCheck, ...] = ()
    """Attributed powers of phases against loads that isolate them, where the study has both."""
