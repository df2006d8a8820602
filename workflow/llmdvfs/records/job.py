"""What Snakemake hands to a benchmark job, and the launch record that `start-server` makes of a deployment."""

from dataclasses import dataclass, field
from typing import Any, Literal

from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import DeploymentSpec, Role, WorkloadSpec


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """How a cell is measured, whatever the workload."""

    interval_s: float = 0.1
    """Time between two readings of a device."""
    counter_interval_s: float = 0.02
    """Time between two readings of a GPU's energy counter."""
    idle_s: float = 2.0
    """Loaded-idle time measured before and after the load."""
    retries: int = 1
    """Further tries of a cell, with fresh servers, when a server died or hung."""
    fresh_servers: bool = False
    """Whether servers are started anew for every cell."""
    calibrate_client: bool = True
    """Whether the client's own error is measured against a mock server at the cell's load."""
    points_under_load: bool = False
    """Whether operating points of a workload are changed under one running load, where the workload allows it."""
    soak: Literal["auto"] | None = None
    """auto: before a cell the GPUs are warmed up with its own load until their temperatures are steady; not before a
    sweep. None: they are not."""
    skip_cap_bound: bool = False
    """Whether points whose clock the load cannot hold, as a probe at stock shows, fail without being measured (under
    load only)."""
    side_by_side: bool = False
    """Launches of the study are measured at once, each on GPUs of its own; every fourth is measured alone."""
    half_width_fraction: float | None = None
    """How well a step's energy per token is to be known before its window ends, as half the 95 % interval over the
    mean (under load only); None: windows have the length that the workload sets."""
    idle_at_points_s: float | None = None
    """How long launch 1 holds each point without load before a sweep, to see what idle GPUs draw there (under load
    only); None: it does not."""


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
    """What clients talk to: `none`, the one server itself; `balancer` or `prefill_decode`, the proxy."""
