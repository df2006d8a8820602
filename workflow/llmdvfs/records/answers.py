"""Which clocks: `answers.json` and `recommended_clocks.json` (docs/dvfs.md#how-to-read-an-answer)."""

from dataclasses import dataclass
from typing import Literal

from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.result import Estimate
from llmdvfs.records.spec import Phase

FlagName = Literal["edge", "cap_bound", "flat", "unconfirmed", "drift", "interacts", "not_applied", "doubtful"]
Basis = Literal["confirming_launches", "left_out_launches", "same_launches", "none"]
Rule = Literal["lowest_energy", "fastest_within_2_percent", "fastest_within_5_percent", "within_limits"]


@dataclass(frozen=True, slots=True)
class Flag:
    """What a reader must know before using an answer, with the values seen and what to do."""

    name: FlagName
    text: str


@dataclass(frozen=True, slots=True)
class PointDetails:
    """What a point's cells tell beside energy and time: means over all of them, null where one of them lacks it."""

    num_cells: int
    failed_gates: dict[str, int]
    """Gate -> cells that failed it; empty: none is doubtful."""
    memory_energy_j: float | None = None
    """Of the GPUs' memory (HBM), a part of the energy, per unit of the answer."""
    idle_energy_j: float | None = None
    """What the GPUs would have drawn without load, a part of the energy, per unit of the answer."""
    power_w: float | None = None
    """Of the deployment under load."""
    idle_power_w: float | None = None
    """Of the deployment with the model loaded and nothing to do."""
    request_rate_rps: float | None = None
    goodput_rps: float | None = None
    """Requests a second within the load's latency limits."""
    slo_attainment_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class AnsweredPoint:
    """One operating point at one load, relative to stock in the same launches."""

    point: OperatingPoint
    held_sm_clock_mhz: dict[str, float]
    """Mean core clock that each role's GPUs ran at; empty: no GPU told it."""
    num_launches: int
    energy_j: float
    """Geometric mean over launches, per unit of the answer."""
    time_s: float
    energy_ratio: Estimate
    """Point / stock, paired within the launch; 1 for stock itself."""
    time_ratio: Estimate
    energy_delay_ratio: Estimate
    """EDP: energy x time, point / stock."""
    energy_delay_squared_ratio: Estimate
    """ED2P: energy x time squared, point / stock."""
    within_limits: bool | None
    """Whether the one-sided 95 % upper bounds keep all limits; None: the load has none."""
    limits_reason: str | None
    """The limit that is broken, or why it cannot be judged."""
    pareto: bool
    """No other point is both cheaper and faster, by mean."""
    ties_with_best: bool
    """Its energy is not distinguishable from the lowest (one-sided, 95 %, pooled over points)."""
    details: PointDetails | None = None
    """None: the answer is older than this field."""

    @property
    def breaks_a_limit(self) -> bool:
        """Whether its bound is above a limit; of one launch there is no bound, and nothing is known."""
        return self.within_limits is False and self.num_launches > 1


@dataclass(frozen=True, slots=True)
class Choice:
    """The point that a rule takes; None: no point meets the rule, with the reason."""

    rule: Rule
    point: str | None
    saving: Estimate
    """1 - energy ratio to stock."""
    slowdown: Estimate
    """Time ratio to stock - 1."""
    basis: Basis
    """Where saving and slowdown come from: launches that the choice did not see, or the ones that it was made from."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """Where the lowest energy lies between measured clocks: what to measure next, never recommended unmeasured."""

    sm_clock_mhz: float
    energy_ratio: float
    """There, against the lowest measured point."""
    near_low_mhz: float
    """From here ..."""
    near_high_mhz: float
    """... to here the energy stays within 1 % of the lowest, by monotone cubics of ln E over ln f."""


@dataclass(frozen=True, slots=True)
class PhysicalFit:
    """P = A + B f^(1+a) and T ~ f^-b over held clocks: a description, never what a clock is chosen by."""

    static_power_w: float
    exponent: float
    """1 + a."""
    time_exponent: float
    """b: 1 where all of the time follows the clock, 0 where none does."""
    worst_residual_fraction: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One deployment at one load."""

    deployment: str
    workload: str
    model: str
    phase: Phase
    """prefill or decode where the load isolates it, else mixed."""
    batch_size: int | None
    energy_per: Literal["prompt_token", "output_token", "request"]
    time_of: Literal["ttft_mean", "tpot_mean", "e2e_mean"]
    points: tuple[AnsweredPoint, ...]
    choices: tuple[Choice, ...]
    flags: tuple[Flag, ...]
    between: Between | None = None
    physical: PhysicalFit | None = None
    physical_reason: str | None = None
    """Why there is no physical fit."""
    search: str | None = None
    """How the search of this load ended; None: its points were listed."""
    rate_rps: float | None = None
    """Arrivals a second that were asked for; None: a closed loop, or a trace."""
    num_gpus: int = 0


@dataclass(frozen=True, slots=True)
class AnswersRecord:
    """All answers of a study, and for which loads there is none."""

    answers: tuple[Answer, ...]
    refused: tuple[str, ...]
    """`deployment/workload: why`."""


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
    """GPU indices that it was measured on."""
    saving: Estimate
    slowdown: Estimate
    basis: str
    flags: tuple[Flag, ...]
    apply: tuple[str, ...]
    """Commands, as root, on the host; GPU indices are those of the measurement."""
    check: tuple[str, ...]
    undo: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookupRow:
    """Clocks for a scheduler: a phase at a batch size (closed loops) or a rate (open ones), of one deployment."""

    deployment: str
    workload: str
    phase: Phase
    batch_size: int | None
    rate_rps: float | None
    point: OperatingPoint
    """stock: leave the clocks alone, nothing measured is better."""
    saving: Estimate
    slowdown: Estimate
    flags: tuple[FlagName, ...]


@dataclass(frozen=True, slots=True)
class Validity:
    """What was measured; elsewhere a recommendation is a guess."""

    gpus: tuple[str, ...]
    drivers: tuple[str, ...]
    engines: tuple[str, ...]
    models: tuple[str, ...]
    lengths: tuple[str, ...]
    """`workload: prompt and output tokens`."""
    measured_on: str | None
    """Date (UTC) of the newest cell."""


@dataclass(frozen=True, slots=True)
class RecommendedClocks:
    """`recommended_clocks.json`: for schedulers and people."""

    recommendations: tuple[Recommendation, ...]
    validity: Validity
    lookup: tuple[LookupRow, ...] = ()
    """A row a load, by deployment, phase and batch size; loads without an answer have none."""
