"""Comparison of deployments: `comparison.json` and, flat, `comparison.csv` (docs/metrics.md#comparison)."""

from dataclasses import dataclass, field
from typing import Literal

from llmdvfs.records.point import GpuSetting, PointState
from llmdvfs.records.result import Estimate, Gate
from llmdvfs.records.spec import CellId, DeviceRole, Phase

Pairing = Literal["paired", "unpaired", "none"]
Conclusion = Literal["better", "worse", "different", "equal", "no_loss", "undecided", "no_conclusion"]
"""What a ratio shows. `better`, `worse` or (where neither is) `different`: at 5 % over the whole family. Else `equal`:
within the margin of the baseline, or `no_loss`: not worse by more than that. Else nothing yet: `undecided`, or
`no_conclusion` where the launches differ too much for the ratio to mean anything."""


DECIDED: tuple[Conclusion, ...] = ("better", "worse", "different")
"""Conclusions that claim a difference."""
MAX_MORE_LAUNCHES = 100


@dataclass(frozen=True, slots=True)
class CellRow:
    """One planned cell as a row of the table; a cell without a result has a row too."""

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
    """Name in METRICS -> value; None where it was not measured."""
    ttft_parts_s: dict[str, float | None] = field(default_factory=dict)
    """Mean of each part of the TTFT of a disaggregated cell: queue, prefill, transfer, first_decode, residual."""
    point_state: PointState | None = None
    """What became of the operating point; None: there is no result."""
    settings: tuple[GpuSetting, ...] = ()
    """Clocks and limits as they were applied on the GPUs' grid; empty unless the state is `applied`."""


@dataclass(frozen=True, slots=True)
class LaunchValue:
    """One metric of one cell, that is, of one launch of a deployment."""

    launch: int
    server_start_id: str
    value: float | None
    valid: bool
    """Whether no gate of the cell failed; an invalid value counts like any other, and is drawn grey."""
    applied: bool = True
    """Whether the cell ran at the operating point that its name says; if not, the value is in no mean and no ratio."""


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """One metric of one deployment, summarised over its server starts."""

    by_launch: tuple[LaunchValue, ...]
    n: int
    """Number of server starts that have a value at the operating point."""
    sd: float | None
    """Standard deviation between server starts; None below two."""
    mean: Estimate
    """Mean with its 95 % t-interval, taken of the logarithms where geometric; no interval below two server starts."""
    statistic: Literal["geometric", "arithmetic"] = "arithmetic"
    """Kind of the mean: geometric, as ratios are made of, where every server start's value is above 0; else
    arithmetic."""
    lowest: float | None = None
    """The lowest of the n values that the mean is made of ..."""
    highest: float | None = None
    """... and the highest."""


@dataclass(frozen=True, slots=True)
class DeploymentSummary:
    """One deployment at the workload and the operating point of its group."""

    id: str
    architecture: str
    model: str
    num_gpus: int | None
    """0 on a CPU; None where it is not known (`external`)."""
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
        """Whether no launch ran at the operating point: all of them ran with the GPUs as they were found."""
        return bool(self.not_applied_launches) and not self.metrics["failed_fraction"].n


@dataclass(frozen=True, slots=True)
class LaunchRatio:
    """Value of the other deployment divided by that of the baseline, within one launch."""

    launch: int
    ratio: float
    valid: bool


@dataclass(frozen=True, slots=True)
class MetricRatio:
    """Ratio of one metric, other / baseline: that of geometric means over server starts, with its 95 % interval."""

    ratio: Estimate
    pairing: Pairing
    n_baseline: int
    """Server starts of the baseline that were used; where `paired`, both numbers are that of the pairs."""
    n_other: int
    per_gpu: bool
    """Whether both values were divided by their deployment's number of GPUs."""
    valid: bool
    """Whether no gate failed in any cell that it is made of."""
    by_launch: tuple[LaunchRatio, ...]
    """The ratio of each launch; empty unless paired."""
    baseline_mean: float | None = None
    """Geometric mean of the baseline over the launches of the ratio: other_mean / baseline_mean is the ratio ..."""
    other_mean: float | None = None
    """... and of the other deployment; both per GPU where the ratio is."""
    p_value: float | None = None
    """Two-sided p-value of the hypothesis that the true ratio is 1; None without an interval."""
    adjusted_p_value: float | None = None
    """The same, adjusted by Holm's method over all ratios of the family; None for a ratio outside the family."""
    equal_p_value: float | None = None
    """p-value of the hypothesis that the true ratio is off 1 by the margin or more, to either side (two one-sided
    tests)."""
    no_loss_p_value: float | None = None
    """p-value of the hypothesis that the other deployment is worse by the margin or more; None where neither direction
    is better."""
    conclusion: Conclusion | None = None
    """What the ratio shows; None without an interval."""
    launches_differ_factor: float | None = None
    """Largest over smallest ratio of a launch; if unpaired, largest over smallest value, on the side where that is
    more."""
    num_more_launches: int | None = None
    """About how many more launches would decide (MAX_MORE_LAUNCHES stands for that or more); None: it is decided, or
    has no interval."""
    without_doubtful: Estimate | None = None
    """The ratio over those launches alone in which no gate failed; None where that is all of them, or none."""

    @property
    def fewest_launches(self) -> int:
        """Return the server starts of the side that has fewer."""
        return min(self.n_baseline, self.n_other)


@dataclass(frozen=True, slots=True)
class DeploymentPair:
    """Two deployments side by side; they are compared only where they differ in nothing but architecture and size."""

    baseline: str
    other: str
    differences: tuple[str, ...]
    """Why the pair is refused: what else differs; empty where it is compared."""
    caveats: tuple[str, ...]
    ratios: dict[str, MetricRatio]
    """Name in METRICS -> ratio; empty where the pair is refused."""
    held_equal: tuple[str, ...] = ()
    """What both deployments have in common, by name and value."""
    varied: tuple[str, ...] = ()
    """What sets the two apart, by name and both values; also unlike things that were compared because the user asked
    for that."""


@dataclass(frozen=True, slots=True)
class ComparisonGroup:
    """All deployments at one workload and one operating point."""

    workload: str
    point: str
    batch_size: int | None
    """Requests in flight at once: the concurrency of a closed loop, or the size of equal waves; None for any other
    load."""
    sweep: str
    """Name that is shared by those workloads that differ only in batch size and length of the run."""
    sm_clock_mhz: dict[str, int]
    """Core clock that the point asks for, by role; what was applied is said by each deployment."""
    deployments: tuple[DeploymentSummary, ...]
    pairs: tuple[DeploymentPair, ...]
    memory_clock_mhz: dict[str, int] = field(default_factory=dict)
    power_limit_w: dict[str, float] = field(default_factory=dict)
    sm_clock_min_mhz: dict[str, int] = field(default_factory=dict)
    """Lower ends of the core clock's range in MHz, for roles whose `sm_clock_mhz` is only a ceiling; 0: as low as the
    GPU goes."""

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
class HeldTime:
    """The time for which servers and their GPUs were held, and how much of it was measured load."""

    num_starts: int
    """Server starts of the compared cells."""
    held_s: float
    """From each start of the servers to the end of its last cell."""
    load_s: float
    """Of measured load, warm-up and idle windows not among it."""
    gpu_held_s: float
    """GPU seconds: each start's time x its GPUs; 0 on a CPU."""
    gpu_load_s: float
    """Likewise of measured load."""


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """Every cell of the study, summarised by deployment and compared between deployments."""

    groups: tuple[ComparisonGroup, ...]
    cells: tuple[CellRow, ...]
    energy_note: str | None
    """`no power data on this machine` where no cell has any."""
    warnings: tuple[str, ...]
    verdict: tuple[str, ...] = ()
    """Up to three sentences: what the other deployments cost and bring beside the baseline, at the busiest load."""
    margin_fraction: float = 0.05
    """Half width of the range around 1 within which a ratio counts as equal."""
    family_size: int = 0
    """Number of ratios over which p-values were adjusted."""
    modelled: bool = False
    """Whether a GPU of some cell was a formula: then nothing here says anything about a real GPU."""
    held: HeldTime | None = None
    """None: no servers were started for these cells, or the file is older than this field."""
    isolation: tuple[IsolationCheck, ...] = ()
    """Attributed powers of phases beside those under loads that isolate them, where the study has both."""
