"""What Snakemake hands to a benchmark job, and what start-server resolves for it."""

from dataclasses import dataclass, field
from typing import Any

from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import DeploymentSpec, Role, WorkloadSpec


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """How a cell is measured, whatever the workload."""

    interval_s: float = 0.1
    """Between two readings of a device."""
    counter_interval_s: float = 0.02
    """Between two readings of a GPU's energy counter."""
    idle_s: float = 2.0
    """Loaded-idle time measured before and after the load."""
    retries: int = 1
    """Further tries of a cell, with fresh servers, when a server died or hung."""
    fresh_servers: bool = False
    """New servers for every cell."""
    calibrate_client: bool = True
    """Measure the client's own error against a mock at the cell's load."""
    points_under_load: bool = False
    """The operating points of a workload change under one running load, where the workload allows it."""
    skip_cap_bound: bool = False
    """Points under load whose clock the load cannot hold, by the probe at stock, are not measured: they fail."""


@dataclass(frozen=True, slots=True)
class CellJob:
    """One cell of a launch that is to be delivered."""

    workload: str
    point: str
    key: str
    """Of the measurement, and the name of its folder in the store: the hash of its identity."""
    identity: dict[str, Any] = field(default_factory=dict)
    """Everything that decides the measurement (plan/identity.py); it is stored beside it, and gives the key again."""


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
    """All cells come from one start of the servers: measurements of other starts are set aside and made again."""
    tolerate_failures: bool = False
    """The job succeeds though cells failed: their folders say why there is no measurement."""


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """One server as it will be started; `{...}` in argv and env stands for what only the start can know."""

    name: str
    role: Role
    argv: tuple[str, ...]
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class LaunchRecord:
    """`launch.json`: a deployment, resolved and reviewable, before anything runs."""

    deployment: DeploymentSpec
    model_path: str
    """Folder or hub name that vLLM is given."""
    served_model_name: str
    engine_versions: dict[str, str]
    kv_bytes_per_token: int | None
    instances: tuple[PlannedInstance, ...]
    front_door: str
    """none: clients talk to the one server; balancer or prefill_decode: to the proxy."""
