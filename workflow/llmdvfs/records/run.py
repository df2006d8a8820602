"""`run.json`: what was measured in one cell, on what, with what and how; the last file of a raw folder."""

from dataclasses import dataclass, field
from typing import Any, Literal

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.device_id import gpu_indices
from llmdvfs.records.host import GpuLink, NetworkPath
from llmdvfs.records.hosts import HostPath, HostRecord
from llmdvfs.records.modelled import any_modelled
from llmdvfs.records.point import AppliedPoint, OperatingPoint
from llmdvfs.records.spec import CellId, DeploymentSpec, Role, WorkloadSpec
from llmdvfs.records.telemetry import EnergySource
from llmdvfs.records.under_load import UnderLoad


@dataclass(frozen=True, slots=True)
class KvCacheMade:
    """The KV cache of one instance, as its engine's log says it."""

    num_tokens: int
    """Tokens of sequences of the longest length that fit, on all ranks together."""
    memory_bytes: int | None
    """On one rank, to 0.01 GiB; None: the log does not say it, or the number of blocks was set."""

    @property
    def bytes_per_token(self) -> float | None:
        """Return the bytes that a token of a sequence of the longest length takes on one rank; None: not measured."""
        return self.memory_bytes / self.num_tokens if self.memory_bytes and self.num_tokens else None


StartMethod = Literal["fork", "spawn"]


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """One vLLM server of a deployment, as it was started."""

    name: str
    """Its role and number: `single-0`, `prefill-0`, `decode-1` ..."""
    role: Role
    base_url: str
    argv: tuple[str, ...]
    env: dict[str, str]
    """Only what was set for it, not the inherited environment."""
    device_ids: tuple[str, ...]
    """Telemetry devices that it computes on: `gpu0`, or `cpu`."""
    pid: int | None
    startup_s: float | None
    log: str
    """Path of its log, relative to the results folder."""
    kv_cache: KvCacheMade | None = None
    """None: its log does not say it, or the run is older than this field."""
    engine_process: StartMethod | None = None
    """How the engine's process came to be, as the server's log tells it; None: the run is older than this field."""
    prepared_s: float | None = None
    """How long the server had imported, by its log, while the launch before still ran (`measure.prepare_servers`):
    that is no part of `startup_s`. None: it was started as a whole."""


@dataclass(frozen=True, slots=True)
class ServerStart:
    """One start of a deployment: the statistical replicate."""

    id: str
    """Random; two cells with equal ids shared the servers."""
    started_unix_s: float
    instances: tuple[InstanceRecord, ...]
    engine_versions: dict[str, str]
    """{"vllm": ..., "torch": ..., "python": ...} of the engine's own Python."""

    def gpus_of_role(self) -> dict[str, list[int]]:
        """Return the GPU indices that each role computes on."""
        gpus: dict[str, list[int]] = {}
        for instance in self.instances:
            gpus.setdefault(instance.role, []).extend(gpu_indices(instance.device_ids))
        return gpus


@dataclass(frozen=True, slots=True)
class OthersCpu:
    """CPU time that processes other than the measurement's own took on the host over a stretch of time."""

    fraction: float
    """Their share of the time of all CPUs."""
    num_cpus: int
    largest: tuple[str, ...]
    """The busiest of them, as `name (pid) 0.50 CPUs`: those that can be seen from here and still ran at the end."""


@dataclass(frozen=True, slots=True)
class SoakRecord:
    """How the GPUs were warmed up before a cell; the load that warmed them up is not measured."""

    duration_s: float
    """How long it took."""
    is_steady: bool
    """Whether the temperatures were steady at its end; False: the time was up before."""
    slope_c_per_min: float | None
    """Largest slope of any GPU's temperature, up or down, over the last 30 s."""
    temperature_c: float
    """Temperature of the warmest GPU at the end."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything needed to understand a raw folder without the configuration that made it."""

    key: str
    """Identity of the measurement: the hash of all that decides it."""
    cell: CellId
    deployment: DeploymentSpec
    workload: WorkloadSpec
    point: OperatingPoint
    server_start: ServerStart
    order_in_launch: int
    """Position in the launch's seeded random order, from 0."""
    seeds: dict[str, int]
    started_unix_s: float
    started_mono_ns: int
    """Instants of the cell's other files minus this, in seconds, are the time axis `t_s`."""
    load_begin_mono_ns: int
    """First scheduled send of a measured request."""
    load_end_mono_ns: int
    """Last byte of the last measured request."""
    idle_before: tuple[int, int] | None
    """Begin and end [mono ns] of the loaded-idle window before the load ..."""
    idle_after: tuple[int, int] | None
    """... and after it; None: not taken."""
    energy_source: EnergySource
    versions: dict[str, str]
    """Versions of this project and of the packages that measure."""
    hardware: dict[str, Any]
    """CPU model, cores, memory, kernel, host name's hash; GPUs are in the telemetry header."""
    kv_bytes_per_token: int | None
    """2 x layers x kv_heads x head_dim x bytes per element, from config.json; None: not certain, or the engine's log
    contradicts it."""
    foreign_processes: tuple[str, ...] | None = None
    """What else was seen computing on the deployment's GPUs before or after the cell; None: nobody could look."""
    warnings: tuple[str, ...] = field(default=())
    gpu_links: tuple[GpuLink, ...] | None = None
    """Links between each two GPUs of the deployment; None: it has fewer than two, or the driver does not tell."""
    kv_network: NetworkPath | None = None
    """The network over which the engine's environment made the KV cache go; None: it took a way within the host."""
    applied: AppliedPoint | None = None
    """What became of the operating point; None in a run older than this field, for which `applied_point` works it
    out."""
    under_load: UnderLoad | None = None
    """The step of a sweep that the cell is, whose idle windows are those of the sweep; None: the cell had a load of its
    own."""
    checksums: dict[str, str] | None = None
    """SHA-256 of every other file of the raw folder, by name; None: the run is older than this field."""
    others_cpu_idle: OthersCpu | None = None
    """What others took of the host's CPUs in the idle time before the load, None where another cell shares that ..."""
    others_cpu_load: OthersCpu | None = None
    """... and under load; None: a step of a sweep, or a run older than this field."""
    soak: SoakRecord | None = None
    """How the GPUs were warmed up; None: not asked for, or no GPU tells its temperature."""
    side_by_side: bool = False
    """Whether other launches might be measured on other GPUs of the host meanwhile (`measure.side_by_side`)."""
    hosts: tuple[HostRecord, ...] = ()
    """The hosts of the instances, with their clocks; empty: they ran on the host that measured."""
    host_paths: tuple[HostPath, ...] = ()
    """What the network between the hosts carried just before the cell, for every pair that KV cache goes between."""
    idle_before_of: str | None = None
    """Key of the cell whose idle window after its load is this one's before (`measure.share_idle`); the readings of it
    are copied. None: the window was measured for this cell alone."""

    @property
    def host_names(self) -> tuple[str, ...]:
        """Return the names of the hosts of the instances; empty: they ran on the host that measured."""
        return tuple(host.name for host in self.hosts)

    @property
    def measured_load_s(self) -> float:
        """Return for how long the load was measured: all of a cell's own load, or the window of a sweep's step."""
        if self.under_load is not None:
            begin, end = self.under_load.window_mono_ns
        else:
            begin, end = self.load_begin_mono_ns, self.load_end_mono_ns
        return (end - begin) / NS_PER_S

    @property
    def idle_windows_mono_ns(self) -> tuple[tuple[int, int], ...]:
        """Return the loaded-idle windows that were taken [mono ns]; for a step of a sweep, those of the sweep."""
        if self.under_load is not None:
            return self.under_load.idle_mono_ns
        return tuple(window for window in (self.idle_before, self.idle_after) if window is not None)

    @property
    def is_modelled(self) -> bool:
        """Return whether a GPU of the cell was a formula (records/modelled.py)."""
        return any_modelled(self.hardware.get("gpus", ()))

    @property
    def applied_point(self) -> AppliedPoint:
        """Return what became of the operating point, for runs too that are older than the field `applied`."""
        if self.applied is not None:
            return self.applied
        told = next((text for text in self.warnings if text.startswith("operating point ")), None)
        if told is not None:
            state = told.removeprefix("operating point ").split(":")[0]
            return AppliedPoint("not_permitted" if state == "not_permitted" else "refused", reason=told)
        if not self.point.asks_for_something:
            return AppliedPoint("stock")
        return AppliedPoint("applied", settings=self.point.of_gpus(self.server_start.gpus_of_role()))
