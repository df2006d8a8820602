"""Records of the answer to "which clocks?": `answers.json` and `recommended_clocks.json` (docs/dvfs.md)."""

from dataclasses import dataclass
from typing import Literal

from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.result import Estimate
from llmdvfs.records.rule import Rule
from llmdvfs.records.spec import Phase

FlagName = Literal["edge", "cap_bound", "flat", "unconfirmed", "drift", "interacts", "not_applied", "doubtful"]
Basis = Literal["confirming_launches", "left_out_launches", "same_launches", "none"]


@dataclass(frozen=True, slots=True)
class Flag:
    """What a reader must know before using an answer, with the values seen and what to do."""

    name: FlagName
    text: str


@dataclass(frozen=True, slots=True)
class PointDetails:
    """What the cells of a point say besides energy and time: means over all of them; None where any cell lacks it."""

    num_cells: int
    failed_gates: dict[str, int]
    """Name of a gate -> number of cells that failed it; empty where no cell is doubtful."""
    memory_energy_j: float | None = None
    """Energy of the GPUs' memory (HBM), a part of the point's energy, per unit of the answer."""
    idle_energy_j: float | None = None
    """Energy that the GPUs would have drawn without load in the same time, a part of the point's energy, per unit of
    the answer."""
    power_w: float | None = None
    """Mean power of the deployment under load."""
    idle_power_w: float | None = None
    """Mean power of the deployment with the model loaded and nothing to do: in the idle windows of its cells, which are
    at stock for points under one load."""
    idle_at_point_w: float | None = None
    """The same with the point held; None: not measured there."""
    request_rate_rps: float | None = None
    goodput_rps: float | None = None
    """Requests a second that kept the workload's latency limits."""
    slo_attainment_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class AnsweredPoint:
    """One operating point at one load, compared with stock in the same launches."""

    point: OperatingPoint
    held_sm_clock_mhz: dict[str, float]
    """Mean core clock that the GPUs of each role really ran at; empty where no GPU reports its clock."""
    num_launches: int
    energy_j: float
    """Geometric mean over launches of the energy per unit of the answer (`Answer.energy_per`)."""
    time_s: float
    energy_ratio: Estimate
    """Energy at the point divided by that at stock, paired within the launch; 1 for stock itself."""
    time_ratio: Estimate
    energy_delay_ratio: Estimate
    """Energy-delay product (energy x time) at the point, divided by that at stock."""
    energy_delay_squared_ratio: Estimate
    """Energy x time squared (ED2P) at the point, divided by that at stock."""
    within_limits: bool | None
    """Whether the one-sided 95 % upper bounds of the latencies keep all limits; False where there is no bound, too
    (limits_judged). None: the load has no limits."""
    limits_reason: str | None
    """Which limit is broken, or why the limits cannot be judged."""
    pareto: bool
    """Whether no other point has both a lower mean energy and a lower mean time."""
    ties_with_best: bool
    """Whether its energy cannot be told from the lowest one (one-sided, 95 %, variance pooled over points)."""
    details: PointDetails | None = None
    """None in an answer that is older than this field."""
    limits_judged: bool | None = None
    """Whether the bounds of all latencies that are limited are known; None in an answer that is older than this field,
    where it is taken to be so with two launches."""

    @property
    def breaks_a_limit(self) -> bool:
        """Whether an upper bound lies above a limit; False where there is no bound, and so nothing is known."""
        judged = self.num_launches > 1 if self.limits_judged is None else self.limits_judged
        return self.within_limits is False and judged


@dataclass(frozen=True, slots=True)
class Choice:
    """The point that a rule (energy, EDP ...) takes; `point` is None where no point meets it, and `reason` says why."""

    rule: Rule
    point: str | None
    saving: Estimate
    """Share of stock's energy that is saved: 1 - energy ratio to stock."""
    slowdown: Estimate
    """Share by which it is slower than stock: time ratio to stock - 1."""
    basis: Basis
    """Where saving and slowdown come from: confirming launches or left-out launches, which the choice did not see; the
    same launches that it was made from; or nowhere, without a point."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """Where the lowest energy lies if it lies between two measured clocks.

    It says what to measure next; a clock that was not measured is never recommended.
    """

    sm_clock_mhz: float
    energy_ratio: float
    """Interpolated energy at that clock, divided by the lowest measured one."""
    near_low_mhz: float
    """From this clock ..."""
    near_high_mhz: float
    """... to this one the interpolated energy stays within 1 % of its lowest (monotone cubics of ln E over ln f)."""


@dataclass(frozen=True, slots=True)
class PhysicalFit:
    """Fit of power P = A + B f^(1+a) and time T ~ f^-b over held clocks f.

    It describes what was measured; no clock is ever chosen by it.
    """

    static_power_w: float
    """A, the part of the power that does not depend on the clock."""
    exponent: float
    """The exponent 1 + a of the power's growth with the clock."""
    time_exponent: float
    """The exponent b of the time: 1 where all of the time scales with the clock, 0 where none of it does."""
    worst_residual_fraction: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one deployment at one load: every measured point, and what each rule chooses."""

    deployment: str
    workload: str
    model: str
    phase: Phase
    """prefill or decode where the workload isolates that phase, else mixed."""
    batch_size: int | None
    energy_per: Literal["prompt_token", "output_token", "request"]
    time_of: Literal["ttft_mean", "tpot_mean", "e2e_mean"]
    points: tuple[AnsweredPoint, ...]
    choices: tuple[Choice, ...]
    flags: tuple[Flag, ...]
    between: Between | None = None
    physical: PhysicalFit | None = None
    physical_reason: str | None = None
    """Why there is no physical fit; None where there is one."""
    search: str | None = None
    """How the adaptive search of this load ended, in words; None: the points were listed in the configuration."""
    rate_rps: float | None = None
    """Arrivals a second that the workload asks for; None for a closed loop or a trace."""
    num_gpus: int = 0


@dataclass(frozen=True, slots=True)
class AnswersRecord:
    """All answers of a study, and the loads for which there is none."""

    answers: tuple[Answer, ...]
    refused: tuple[str, ...]
    """`deployment/workload: why there is no answer`, a line each."""
    modelled: bool = False
    """Whether a GPU of some cell was a formula: then nothing here says anything about a real GPU."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to set for one deployment at one load."""

    deployment: str
    workload: str
    phase: Phase
    batch_size: int | None
    rule: Rule
    point: OperatingPoint
    gpus_of_role: dict[str, tuple[int, ...]]
    """NVML indices of the GPUs that it was measured on, by role."""
    saving: Estimate
    slowdown: Estimate
    basis: str
    flags: tuple[Flag, ...]
    apply: tuple[str, ...]
    """Commands that set the point, to be run as root on the host; GPU indices are those of the measurement."""
    check: tuple[str, ...]
    undo: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookupRow:
    """One row of a scheduler's table: clocks for a phase at a batch size (closed loop) or a rate (open loop)."""

    deployment: str
    workload: str
    phase: Phase
    batch_size: int | None
    rate_rps: float | None
    point: OperatingPoint
    """The point to set; stock means: leave the clocks alone, nothing better was measured."""
    saving: Estimate
    slowdown: Estimate
    flags: tuple[FlagName, ...]


@dataclass(frozen=True, slots=True)
class Validity:
    """What the recommendations were measured on; for anything else they are a guess."""

    gpus: tuple[str, ...]
    drivers: tuple[str, ...]
    engines: tuple[str, ...]
    models: tuple[str, ...]
    lengths: tuple[str, ...]
    """`workload: prompt and output tokens`, one text a workload."""
    measured_on: str | None
    """Date (UTC) on which the newest cell was measured."""


@dataclass(frozen=True, slots=True)
class RecommendedClocks:
    """Content of `recommended_clocks.json`, for schedulers and for people."""

    recommendations: tuple[Recommendation, ...]
    validity: Validity
    lookup: tuple[LookupRow, ...] = ()
    """One row a load, sorted by deployment, phase and batch size; loads without an answer have none."""
    modelled: bool = False
    """Whether it was made on a GPU that is a formula: `clocks apply` then refuses it."""
