"""What Snakemake hands to a benchmark job, and the launch record that `start-server` makes of a deployment."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from llmdvfs.records.allowed import Allowed
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import DeploymentSpec, Role, WorkloadSpec


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """How often devices are read."""

    interval_s: Annotated[float, Allowed(minimum=0.005, maximum=10)] = 0.1
    """Time between two readings of a device."""
    counter_interval_s: Annotated[float, Allowed(minimum=0.005, maximum=10)] = 0.02
    """Time between two readings of a GPU's energy counter, which is polled on its own."""


@dataclass(frozen=True, slots=True)
class MeasureSettings(SamplerSettings):
    """How a cell is measured, whatever the workload."""

    idle_s: Annotated[float, Allowed(minimum=0, maximum=3600)] = 2.0
    """Loaded-idle time measured before and after the load of each cell."""
    retries: Annotated[int, Allowed(minimum=0, maximum=100)] = 1
    """How often a cell is tried again with fresh servers when a server died or hung."""
    fresh_servers: bool = False
    """Start new servers for every cell instead of every launch."""
    calibrate_client: bool = True
    """Measure the client's own timing error against a mock server at the cell's load."""
    points_under_load: bool = False
    """Operating points of a workload share one running load: each is entered, settled, measured for `duration_s` and
    left, with stock first, last and every sixth time at least. For closed, poisson, gamma and constant arrivals."""
    soak: Literal["auto"] | None = None
    """auto: before each cell its own load runs until no GPU's temperature moves by more than 1 degree a minute over 30
    s, for 5 minutes at most; what it took is in run.json. At least half a minute a cell."""
    skip_cap_bound: bool = False
    """Points under load whose core clock the load cannot hold, by a probe at stock, are not measured; needs
    tolerate_failed_cells."""
    side_by_side: bool = False
    """Launches of the study are measured at once on one host, each on GPUs of its own out of `serving.gpus`; launches
    1, 5, 9 ... are measured alone, and the comparison says whether neighbours disturbed the others. Stock clocks
    only."""
    share_idle: bool = False
    """The idle window between two cells of one operating point is measured once, for both; with soak each has its
    own."""
    prepare_servers: bool = False
    """While a launch is started, the servers of the next one import vLLM on other cores and wait, without touching a
    GPU; no load begins before they have. On hosts with cores to spare it takes the imports, 18 of 41 s of a start on an
    H100, off the time for which GPUs are held. Not side by side and not over several hosts: nothing waits there."""
    half_width_fraction: Annotated[float | None, Allowed(above=0, maximum=0.5)] = None
    """Under load, a step's window ends once half the 95 % interval of its energy per token is within this fraction,
    after 6 s at the earliest and `duration_s` at the latest; null: every window lasts `duration_s`."""
    idle_at_points_s: Annotated[float | None, Allowed(above=0, maximum=60)] = None
    """Under load, launch 1 holds each operating point without load for so long before a sweep, and records what idle
    GPUs draw there; null: it does not."""


@dataclass(frozen=True, slots=True)
class CellJob:
    """One cell of a launch that the job has to deliver."""

    workload: str
    point: str
    key: str
    """Key of the measurement, the hash of its identity; the name of its folder in the store."""
    identity: dict[str, Any] = field(default_factory=dict)
    """Everything that decides the measurement (plan/identity.py); it is stored beside it, and hashes to the key."""


@dataclass(frozen=True, slots=True)
class LaunchJob:
    """The cells of one launch that are missing, in the order in which they are measured."""

    launch: int
    seed: int
    cells: tuple[CellJob, ...]
    workloads: dict[str, WorkloadSpec]
    points: dict[str, OperatingPoint]
    settings: MeasureSettings = field(default_factory=MeasureSettings)
    one_start: bool = False
    """Whether all cells must come from one start of the servers: measurements of other starts are then set aside and
    made again."""
    tolerate_failures: bool = False
    """Whether the job succeeds though cells failed; their folders then say why there is no measurement."""
    side_by_side: bool = False
    """Neighbours may compute on other GPUs of the host meanwhile."""


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """One server as it will be started; `{...}` in argv and env stands for what only the start can know."""

    name: str
    role: Role
    argv: tuple[str, ...]
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class LaunchRecord:
    """Content of `launch.json`: a deployment with everything resolved, to be reviewed before anything runs."""

    deployment: DeploymentSpec
    model_path: str
    """Folder or hub name of the model that vLLM is given."""
    served_model_name: str
    engine_versions: dict[str, str]
    kv_bytes_per_token: int | None
    instances: tuple[PlannedInstance, ...]
    front_door: str
    """What clients talk to: `none`, the servers themselves; `balancer` or `prefill_decode`, the proxy."""
