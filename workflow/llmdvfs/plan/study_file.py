"""The configuration as a user writes it: its sections, and the keys that are no field of another record.

Sections that become records are those records: a key of a workload is a field of WorkloadSpec, and so on. The JSON
schema, the defaults and config/README.md are made from here (plan/config_schema.py); nothing else spells a key.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from llmdvfs.plan.point_keys import ClockOrRange, PointKeys
from llmdvfs.records.allowed import Allowed
from llmdvfs.records.forecast import Budget
from llmdvfs.records.gates import GateSettings
from llmdvfs.records.job import MeasureSettings, SamplerSettings
from llmdvfs.records.made import DrawnCells
from llmdvfs.records.search import SearchSettings
from llmdvfs.records.sequential import SequentialSettings
from llmdvfs.records.spec import EngineSpec, ModelSpec, Role, StartSettings, WorkloadSpec

Name = Annotated[
    str,
    Allowed(
        # Snakemake takes a piece that stands there more than 20 times in a row for a rule that feeds itself.
        pattern=r"^(?=.{1,100}$)(?!.*?(.+?)\1{19})[A-Za-z0-9][A-Za-z0-9.-]*$(?!\n)",
        expected="at most 100 letters, digits, '.' and '-', beginning with a letter or digit, nothing 20 times in a "
        "row",
    ),
]
Folder = Annotated[
    str,
    Allowed(
        pattern=r"^[A-Za-z0-9._/][A-Za-z0-9._/-]*$(?!\n)",
        expected="a folder's name of letters, digits, '.', '_', '-' and '/', not beginning with '-'",
    ),
]
GivenEngine = Annotated[EngineSpec, Allowed(without_defaults=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingKeys(StartSettings):
    """How servers are started."""

    connector: Literal["auto", "p2p_nccl", "nixl", "nixl_push", "example"] = "auto"
    """How the KV cache goes from prefill to decode; `auto` takes the best one of the engine's version."""
    gpus: Annotated[tuple[Annotated[int, Allowed(minimum=0)], ...] | None, Allowed(unique=True)] = None
    """GPU indices to use, in the order of instances; null takes free ones. With `external`: those that the endpoint
    computes on, to be watched (null: none)."""
    engine: GivenEngine = field(default_factory=EngineSpec)
    """Engine settings of every instance."""
    engine_by_role: dict[Role, GivenEngine] = field(default_factory=dict)
    """Engine settings that differ for a role (`single`, `prefill`, `decode`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureKeys:
    """What is drawn of single cells; the comparison is drawn whole."""

    cells: DrawnCells = "all"
    """Cells of which `timeline` and `latency` are drawn; `doubtful`: those that failed a gate. Drawing is most of the
    time after a measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """Keys that a study keeps as they are written."""

    seed: Annotated[int, Allowed(minimum=0, maximum=2**63 - 1)] = 20261122
    """Root of all seeds (prompts, arrivals, order of cells, bootstrap), drawn for each launch and workload."""
    first_launch: Annotated[int, Allowed(minimum=1, maximum=1_000_000)] = 1
    """Number of the first launch. Machines share a study by launches: one measures 1 to 3, another `first_launch=4`;
    then `python -m llmdvfs merge-results`."""
    baseline: str | None = None
    """The architecture, as `architectures` writes it, that tables and figures relate the others to; null is the
    simplest."""
    margin_fraction: Annotated[float, Allowed(above=0, maximum=0.5)] = 0.05
    """A ratio within this of 1 (or no worse by more) is called equal (or no loss), where two one-sided tests say so at
    5 %."""
    strict_launches: bool = False
    """Every launch is one start of its servers: where cells were added, or a server died on the way, the older cells of
    the launch are set aside and measured again with the others. (`external`: one connection to the endpoint is a
    start.)"""
    tolerate_failed_cells: bool = False
    """Analysis and comparison go on without cells that failed after their retries; they are named with their causes and
    not tried again, until this is false or `python -m llmdvfs forget` was told their names."""
    analyse_only: bool = False
    """Measure nothing: analyse, compare and draw what the results folder holds, with the engine that it was measured
    with. For a folder that was copied to another machine, or merged from several; cells that are not there are left
    out, and said."""
    refuse_long_requests: bool = False
    """A trace or a data set with requests longer than max_model_len is refused when the study is planned; otherwise
    their number is said, and the server refuses or shortens them. (`high` in prompt_tokens and output_tokens clips
    them.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFile(StudySettings):
    """Configuration of llm-dvfs."""

    results: Folder = "results"
    """Folder of everything that is measured or made, relative to the working directory."""
    launches: Annotated[int, Allowed(minimum=1, maximum=1000)] = 3
    """Server starts per deployment. The launch is the statistical replicate; intervals need at least 2, better 5."""
    architectures: Annotated[tuple[str, ...], Allowed(not_empty=True, unique=True)] = ("single", "disaggregated")
    """What to deploy: `single`, `replicated-N`, `tensor_parallel-N`, `disaggregated`, `disaggregated-XpYd` and
    `disaggregated-XpYd-CONNECTOR`, `external`. On the command line: `architectures=single,disaggregated`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where vLLM computes."""
    models: Annotated[dict[Name, ModelSpec], Allowed(not_empty=True, default={"tiny": {"source": "tiny"}})]
    """Models by the name that stands in folders and figures; each architecture is measured with each model."""
    workloads: Annotated[dict[Name, WorkloadSpec], Allowed(not_empty=True)]
    """What is asked of each deployment, by name."""
    operating_points: Annotated[dict[Name, PointKeys], Allowed(not_empty=True, default={"stock": {}})]
    """Clocks and power caps by name; an empty one touches nothing. Lists and ranges make a point of every
    combination."""
    core_clocks: tuple[ClockOrRange, ...] = ()
    """Core clocks (a list, or ranges such as `600..1980/60`), each locked for all roles: points `core-1200` ... beside
    those of operating_points, and `stock`."""
    search: SearchSettings | None = None
    """Search the core clock of lowest energy of each load and role, by `python -m llmdvfs search`: round by round, each
    in a launch of its own, then the points found and stock in `launches` fresh ones."""
    sequential: SequentialSettings | None = None
    """Add launches, by `python -m llmdvfs sequential`, beginning with `launches`, until the 95 % intervals of the
    ratios that tables claim (of the means, where there is no ratio) are narrow enough."""
    serving: ServingKeys = field(default_factory=ServingKeys)
    """How servers are started."""
    telemetry: SamplerSettings = field(default_factory=SamplerSettings)
    """The sampler."""
    measure: Annotated[MeasureSettings, Allowed(without=SamplerSettings)] = field(default_factory=MeasureSettings)
    """How a cell is measured."""
    gates: GateSettings = field(default_factory=GateSettings)
    """Limits of the validity gates; a failed gate marks a result, it never drops it."""
    budget: Budget = field(default_factory=Budget)
    """The most that the whole study may take, what is measured already included, by the forecast of
    `python -m llmdvfs plan`; above it nothing is measured."""
    over_budget: bool = False
    """Measure though the forecast is above the budget; meant for `--config over_budget=true`."""
    figures: FigureKeys = field(default_factory=FigureKeys)
    """What is drawn of single cells; the comparison is drawn whole."""
    archive: Annotated[
        str | None,
        Allowed(pattern=r"^[a-z][a-z0-9+.-]*://[^\s{}]+$(?!\n)", expected="an address as s3://bucket/folder"),
    ] = None
    """Where `snakemake archived` puts measurements away, one tar a launch: an address that a storage plugin of
    Snakemake takes (`s3://bucket/folder`: snakemake-storage-plugin-s3)."""
    remeasure: str | int = ""
    """Any new word measures everything again and keeps what was measured before in the store."""
