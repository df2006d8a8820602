"""What is to be measured: the model, the deployment, the workload and the operating point."""

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["single", "prefill", "decode"]
DeviceRole = Literal["single", "prefill", "decode", "host"]
"""What a device computes for; `host`: for instances of several roles at once, as CPUs do."""
Device = Literal["cpu", "cuda", "external"]
Endpoint = Literal["completions", "chat"]
Phase = Literal["prefill", "decode", "mixed", "transfer", "queue", "idle"]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to serve, and where it comes from."""

    name: str
    source: Literal["tiny", "path", "hub", "shape"]
    """tiny: generated here; path: a folder; hub: a hub name; shape: the config.json of a known model with dummy
    weights."""
    location: str
    """The folder, the hub name or the shape's name; empty for `tiny`."""
    served_name: str | None = None
    """Name under which requests ask for it, for instance `org/model:tag` at an endpoint; None: `name`."""

    @property
    def asked_name(self) -> str:
        """Return the name that servers serve the model under, and that requests carry."""
        return self.served_name or self.name


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Engine settings of one vLLM instance; None leaves vLLM's own default."""

    tensor_parallel_size: int = 1
    gpu_memory_utilization: float | None = None
    max_model_len: int | None = None
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    dtype: str | None = None
    enforce_eager: bool | None = None
    enable_prefix_caching: bool | None = False
    enable_chunked_prefill: bool | None = None
    block_size: int | None = None
    num_gpu_blocks_override: int | None = None
    load_format: str | None = None
    seed: int | None = 0
    cpu_offload_gb: float | None = None
    cpu_kv_cache_gib: int | None = None
    """Value of VLLM_CPU_KVCACHE_SPACE, for a CPU only."""
    omp_num_threads: int | None = None
    extra_args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One of several hosts that a deployment's instances run on."""

    name: str
    address: str
    """Where the other hosts reach it: a name or an IP address, or `slurm:N`, the Nth node of the job's allocation."""
    reach: tuple[str, ...] = ()
    """Command by which the agent's own is run there, as in `ssh -T -o BatchMode=yes {address}`; empty: this host."""
    python: str | None = None
    """Python of the agent there; None: the path of the one that runs here."""
    folder: str | None = None
    """Folder below which the agent makes its own; None: that host's folder for temporary files."""
    roles: tuple[Role, ...] = ()
    """Roles whose instances it takes; empty: any."""
    gpus: tuple[int, ...] | None = None
    """GPUs to use there, by NVML index; None: free ones."""
    interface: str | None = None
    """Network interface for NCCL's and Gloo's sockets; None: they choose."""
    kv_devices: str | None = None
    """Network devices for UCX, hence NIXL, as in `mlx5_0:1`; None: it chooses."""


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """An architecture with a model and its engine settings: everything that needs a server start."""

    id: str
    """Folder name and wildcard: letters, digits, '.', '_' and '-'."""
    architecture: str
    """Name in the table of `architectures`."""
    model: ModelSpec
    device: Device
    engine: dict[Role, EngineSpec]
    """Settings by role: {"single": ...} or {"prefill": ..., "decode": ...}."""
    num_instances: dict[Role, int]
    """Number of instances by role, e.g. {"single": 1} or {"prefill": 1, "decode": 1}."""
    connector: str | None = None
    """KV connector of `disaggregated`, resolved and never "auto"; None elsewhere."""
    balancer: str = "round_robin"
    python: str | None = None
    """Path of the Python that has the engine; None: the one that runs the workflow."""
    gpu_indices: tuple[int, ...] | None = None
    """GPUs to use, by NVML index; None: assigned at start (`external`: none are watched)."""
    startup_timeout_s: float = 600.0
    base_url: str | None = None
    """Of `external` only: URL of the endpoint that is already running."""
    proxy_port: int | None = None
    """Port of the proxy; None: any free one."""
    memory_check: bool = True
    """Whether a start is refused that cannot succeed by the memory forecast; it does not change what is measured."""
    hosts: tuple[HostSpec, ...] = ()
    """Hosts over which the instances are spread; empty: all run on the one that measures."""

    def host_of(self, role: Role, number: int) -> HostSpec | None:
        """Return the host of an instance, by its number in its role: in turns over those that take the role.

        None: the host that measures.
        """
        taking = [host for host in self.hosts if not host.roles or role in host.roles]
        return taking[number % len(taking)] if taking else None

    @property
    def num_gpus(self) -> int:
        """Return how many GPUs its instances take; 0 on a CPU, and of `external`."""
        if self.device != "cuda":
            return 0
        return sum(self.engine[role].tensor_parallel_size * count for role, count in self.num_instances.items())


@dataclass(frozen=True, slots=True)
class LengthSpec:
    """A distribution of token counts; which of its fields are needed depends on its kind."""

    kind: Literal["fixed", "uniform", "normal", "trace"]
    value: int | None = None
    low: int | None = None
    """The range of `uniform`; any other kind is clamped to it where it is set ..."""
    high: int | None = None
    """... so that a trace's long prompts, say, fit a model's context."""
    mean: float | None = None
    sd: float | None = None


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """What is asked: where prompts come from, and how long prompts and answers are."""

    source: Literal["random", "bbh", "sharegpt", "jsonl", "chinese", "shared_prefix"]
    prompt_tokens: LengthSpec | None
    """Length of the prompts; None: as the data set has them."""
    output_tokens: LengthSpec
    path: str | None = None
    """The data set: a file, or for bbh a folder of task files."""
    num_prefixes: int | None = None
    """shared_prefix only: how many distinct prefixes ..."""
    prefix_tokens: int | None = None
    """... and their length."""


@dataclass(frozen=True, slots=True)
class ArrivalSpec:
    """When requests are sent; each kind of arrivals needs some of the fields."""

    kind: str
    """Name in the table of `arrivals`."""
    concurrency: int | None = None
    """Of `closed`: number of requests in flight at any time."""
    wave_sizes: tuple[int, ...] = ()
    """Of `waves`: number of requests of each wave, which are sent at once when all of the wave before have ended."""
    rate_rps: float | None = None
    """Of `poisson`, `gamma` and `constant`: mean rate; of `ramp`: rate at the start."""
    end_rate_rps: float | None = None
    """Of `ramp`: rate at the end."""
    burstiness: float | None = None
    """Of `gamma`: the shape parameter; 1 is a Poisson process, less is burstier."""
    trace_path: str | None = None
    trace_format: str | None = None
    """Name in the table of `inputs/traces`."""
    speedup: float = 1.0
    window_start_s: float = 0.0
    window_s: float | None = None


@dataclass(frozen=True, slots=True)
class SloSpec:
    """Latency limits by which goodput is counted; None: no limit."""

    ttft_s: float | None = None
    tpot_s: float | None = None
    e2e_s: float | None = None


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """What is asked of a deployment, when, how often and for how long."""

    id: str
    prompts: PromptSpec
    arrival: ArrivalSpec
    num_requests: int | None
    """Number of requests after which sending ends; None: `duration_s` ends it, or if that is None too, the end of the
    trace or of the waves."""
    duration_s: float | None
    """Time after which no new requests are sent."""
    isolates: Literal["prefill", "decode"] | None = None
    """Set where the workload exercises one phase alone (prefill: max_tokens = 1; decode: short prompt, long output)."""
    num_warmup_requests: int = 0
    """Requests sent before the measured ones, at the same concurrency, and not recorded."""
    endpoint: Endpoint = "completions"
    request_timeout_s: float = 600.0
    idle_timeout_s: float = 120.0
    """A stream on which no byte comes for so long ends as a `timeout`."""
    max_failed_fraction: float = 0.0
    slo: SloSpec = field(default_factory=SloSpec)
    min_requests: int | None = None
    """A closed loop goes on after duration_s until it has sent so many (None: it ends at duration_s) ..."""
    max_duration_s: float | None = None
    """... but no longer than this (None: however long it takes)."""


@dataclass(frozen=True, slots=True)
class CellId:
    """One measurement: deployment x workload x operating point x launch."""

    deployment: str
    workload: str
    point: str
    launch: int

    def folder(self) -> str:
        """Return the cell's folder below results/cells, e.g. `single_tiny/decode/stock/launch-1`."""
        return f"{self.deployment}/{self.workload}/{self.point}/launch-{self.launch}"
