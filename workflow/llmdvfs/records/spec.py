"""What is to be measured: the model, the deployment, the workload and the operating point."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from llmdvfs.records.allowed import NO_KEY, Allowed, Fraction

Role = Literal["single", "prefill", "decode"]
DeviceRole = Literal["single", "prefill", "decode", "host"]
"""What a device computes for; `host`: for instances of several roles at once, as CPUs do."""
Device = Literal["cpu", "cuda", "external"]
Endpoint = Literal["completions", "chat"]
Phase = Literal["prefill", "decode", "mixed", "transfer", "queue", "idle"]

MOST_TOKENS = 10_000_000
NumTokens = Annotated[int, Allowed(minimum=1, maximum=MOST_TOKENS)]
Rate = Annotated[float, Allowed(minimum=1e-6, maximum=20_000)]
"""Requests a second."""
LoadTime = Annotated[float, Allowed(above=0, maximum=1_000_000)]
"""Seconds, eleven days at most."""
VISIBLE = r"^[!-~]{1,200}$(?!\n)"
EXPECTED_VISIBLE = "up to 200 visible ASCII characters, as in org/model:tag"
Url = Annotated[
    str,
    Allowed(
        pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$(?!\n)",
        expected="a URL such as http://127.0.0.1:8000, without a user name and without '?'",
    ),
]
VariableName = Annotated[
    str,
    Allowed(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$(?!\n)", expected="letters, digits and '_', not beginning with a digit"),
]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to serve, and where it comes from."""

    name: Annotated[str, NO_KEY]
    source: Literal["tiny", "path", "hub", "shape"]
    """`tiny`: generated here (seeded weights, under 10 MB); `path`: a folder with config.json; `hub`: a hub name;
    `shape`: the config.json of a known model with dummy weights, for speed and power without a download."""
    location: str = ""
    """The folder, the hub name or the shape's name (`qwen3-8b`); not used by `tiny`."""
    served_name: Annotated[str | None, Allowed(pattern=VISIBLE, expected=EXPECTED_VISIBLE)] = None
    """What requests ask for where it is not the model's name in the study, as an endpoint may want it: `Qwen/Qwen3-8B`,
    `org/model:tag`."""

    @property
    def asked_name(self) -> str:
        """Return the name that servers serve the model under, and that requests carry."""
        return self.served_name or self.name


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Engine settings of one vLLM instance; None leaves vLLM's own default."""

    tensor_parallel_size: Annotated[int, Allowed(minimum=1, maximum=1024)] = 1
    """GPUs of one instance."""
    gpu_memory_utilization: Annotated[float | None, Allowed(above=0, maximum=1)] = None
    """Share of GPU memory that vLLM may take."""
    max_model_len: Annotated[int | None, Allowed(minimum=1, maximum=100_000_000)] = None
    """Longest prompt plus output."""
    max_num_batched_tokens: Annotated[int | None, Allowed(minimum=1, maximum=100_000_000)] = None
    """Tokens of one engine step."""
    max_num_seqs: Annotated[int | None, Allowed(minimum=1, maximum=1_000_000)] = None
    """Requests of one engine step."""
    dtype: Annotated[
        str | None, Allowed(written=Literal["auto", "bfloat16", "float16", "float32", "half", "float"])
    ] = None
    """Type of weights and activations."""
    enforce_eager: bool | None = None
    """No CUDA graphs and no compilation."""
    enable_prefix_caching: bool | None = False
    """Reuse of common prefixes; off unless asked for, since it hides prefill work."""
    enable_chunked_prefill: bool | None = None
    """Prefill in pieces beside decoding."""
    block_size: Annotated[int | None, Allowed(minimum=1, maximum=65536)] = None
    """Tokens of one KV block."""
    num_gpu_blocks_override: Annotated[int | None, Allowed(minimum=1, maximum=1_000_000_000)] = None
    """KV blocks, in place of vLLM's own figure."""
    load_format: str | None = None
    """`dummy` for shapes without weights."""
    seed: Annotated[int | None, Allowed(minimum=0)] = 0
    """vLLM's own seed."""
    cpu_offload_gb: Annotated[float | None, Allowed(minimum=0, maximum=100_000)] = None
    """Weights kept in host memory."""
    cpu_kv_cache_gib: Annotated[int | None, Allowed(minimum=1, maximum=100_000)] = None
    """KV cache of a CPU server (VLLM_CPU_KVCACHE_SPACE)."""
    omp_num_threads: Annotated[int | None, Allowed(minimum=1, maximum=100_000)] = None
    """Threads of a CPU server."""
    extra_args: tuple[str, ...] = ()
    """Further arguments of vLLM's server; none that a key sets or the start chooses."""
    env: dict[VariableName, str] = field(default_factory=dict)
    """Further environment variables; keys and tokens are inherited and do not belong here, nor what a key sets
    (`CUDA_VISIBLE_DEVICES`: `serving.gpus`)."""


EXPECTED_NAME = "letters, digits, '.' and '-', beginning with a letter or digit"


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One of several hosts that a deployment's instances run on."""

    name: Annotated[str, Allowed(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$(?!\n)", expected=EXPECTED_NAME)]
    """What it is called in results."""
    address: Annotated[
        str,
        Allowed(
            pattern=r"^([A-Za-z0-9][A-Za-z0-9.-]{0,252}|slurm:[0-9]{1,3})$(?!\n)",
            expected="a name or an IPv4 address, or slurm:N for the Nth node of the job's allocation",
        ),
    ]
    """Where the other hosts reach it (IPv4), or `slurm:0`, `slurm:1` ... for the nodes of the SLURM job."""
    reach: tuple[str, ...] = ()
    """Command that runs others there, `{address}` standing for the address: `[ssh, -T, -o, BatchMode=yes,
    "{address}"]`, `[srun, --overlap, -N1, -n1, -w, "{address}"]`; empty: this host."""
    python: str | None = None
    """Python there that has llm-dvfs; null: the path of the one that runs here."""
    folder: str | None = None
    """Folder there for what the agent needs for a while; null: the temporary one."""
    roles: Annotated[tuple[Role, ...], Allowed(unique=True)] = ()
    """Roles whose instances it takes, in turns with the other hosts that take them; empty: any."""
    gpus: Annotated[tuple[Annotated[int, Allowed(minimum=0)], ...] | None, Allowed(unique=True)] = None
    """GPU indices to use there; null takes free ones."""
    interface: str | None = None
    """Network interface of NCCL and Gloo (NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME); null leaves it to them."""
    kv_devices: str | None = None
    """Network devices of UCX, hence of NIXL (UCX_NET_DEVICES), as in `mlx5_0:1`; null leaves it to UCX."""


@dataclass(frozen=True, slots=True)
class ExporterSpec:
    """GPUs of a host that one may not enter, on which somebody else's endpoint computes."""

    name: Annotated[str, Allowed(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$(?!\n)", expected=EXPECTED_NAME)]
    """What the host is called in results, as in `node7/gpu0`."""
    url: Url
    """Where its dcgm-exporter publishes, as in `http://node7:9400/metrics`."""
    gpus: Annotated[tuple[Annotated[int, Allowed(minimum=0)], ...], Allowed(not_empty=True, unique=True)]
    """Those that the endpoint computes on, as the exporter counts them; others of the host are reported beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSettings:
    """How servers are started, as the configuration says it and a deployment keeps it."""

    python: str | None = None
    """Path of the Python that has vLLM; null: the one that runs the workflow."""
    balancer: Literal["round_robin", "least_requests", "random"] = "round_robin"
    """How one of several instances of a role is chosen."""
    route: Literal["proxy", "direct"] = "proxy"
    """How requests get to several instances: through the proxy, or `direct`: the load generator itself chooses
    instances and asks them (prefill, then decode), as a router that costs nothing would."""
    proxy_port: Annotated[int | None, Allowed(minimum=1024, maximum=65535)] = None
    """Port of the proxy; null takes a free one."""
    memory_check: bool = True
    """Refuse a start that cannot fit by arithmetic; `off` leaves it to the engine, and what is foreseen is only
    said."""
    startup_timeout_s: Annotated[float, Allowed(above=0, maximum=86_400)] = 900.0
    """Longest wait for a server to become ready."""
    base_url: Url | None = None
    """`external` only: the OpenAI-compatible endpoint (its API key comes from LLMDVFS_API_KEY alone)."""
    hosts: Annotated[tuple[HostSpec, ...], Allowed(most=64)] = ()
    """Hosts over which instances are spread, each with an agent that `reach` starts (docs/hosts.md); empty: all on this
    one."""
    exporters: Annotated[tuple[ExporterSpec, ...], Allowed(most=64)] = ()
    """`external` only: dcgm-exporters of the hosts that the endpoint computes on (docs/hosts.md)."""


@dataclass(frozen=True, slots=True)
class DeploymentSpec(StartSettings):
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
    gpu_indices: tuple[int, ...] | None = None
    """GPUs to use, by NVML index; None: assigned at start (`external`: none are watched)."""

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
    """A distribution of token counts; which of its fields are needed depends on its kind.

    `low` and `high` are the range of `uniform`. Any other kind is clamped to them where they are set, so that a trace's
    long prompts, say, fit a model's context.
    """

    kind: Literal["fixed", "uniform", "normal", "trace"]
    value: NumTokens | None = None
    low: NumTokens | None = None
    high: NumTokens | None = None
    mean: Annotated[float | None, Allowed(above=0, maximum=MOST_TOKENS)] = None
    sd: Annotated[float | None, Allowed(minimum=0, maximum=MOST_TOKENS)] = None


LENGTH = (
    "a number of tokens, or `{kind: uniform, low: 64, high: 256}`, `{kind: normal, mean: 200, sd: 50}`, or "
    "`{kind: trace}`"
)


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """What is asked: where prompts come from, and how long prompts and answers are."""

    source: Annotated[
        Literal["random", "bbh", "sharegpt", "jsonl", "chinese", "shared_prefix"], Allowed(default="random")
    ]
    """Random token ids, a data set, or prompts with shared prefixes."""
    prompt_tokens: Annotated[LengthSpec | None, Allowed(written=NumTokens | LengthSpec | None, expected=LENGTH)]
    """Prompt length, in the same forms as output_tokens; `{kind: trace}` takes the recorded one: the trace's, or that
    of the data set's own prompt. Leave out to take prompts as the data set has them."""
    output_tokens: Annotated[LengthSpec, Allowed(written=NumTokens | LengthSpec, expected=LENGTH)]
    """Output length: a number (1 exercises prefill only), `{kind: uniform, low: 64, high: 256}`, `{kind: normal, mean:
    200, sd: 50}`, or `{kind: trace}`: as the trace, or the data set's own answer, has it. `low` and `high` clip any
    kind, so that a recorded length fits max_model_len."""
    path: str | None = None
    """The data set's file (bbh, a folder of task files)."""
    num_prefixes: Annotated[int | None, Allowed(minimum=1)] = None
    """shared_prefix: number of distinct prefixes."""
    prefix_tokens: Annotated[int | None, Allowed(minimum=1)] = None
    """shared_prefix: length of each prefix."""


@dataclass(frozen=True, slots=True)
class ArrivalSpec:
    """When requests are sent; each kind of arrivals needs some of the fields."""

    kind: str
    """Name in the table of `arrivals`."""
    concurrency: Annotated[int | None, Allowed(minimum=1, maximum=100_000)] = None
    """closed: requests in flight at any time."""
    wave_sizes: tuple[Annotated[int, Allowed(minimum=1, maximum=100_000)], ...] = ()
    """waves: requests of each wave, which are sent at once when all of the wave before have ended."""
    rate_rps: Rate | None = None
    """Open loop: mean arrivals a second (ramp: at the start); one client sends some 15,000 (docs/client.md)."""
    end_rate_rps: Rate | None = None
    """ramp: arrivals a second at the end."""
    burstiness: Annotated[float | None, Allowed(minimum=1e-6, maximum=1_000_000)] = None
    """gamma: shape parameter; 1 is Poisson, below 1 burstier."""
    trace_path: str | None = None
    """trace: its file, gzip or plain."""
    trace_format: str | None = None
    """Name in the table of `inputs/traces`."""
    speedup: Annotated[float, Allowed(minimum=1e-6, maximum=1_000_000)] = 1.0
    """trace: how much faster than recorded."""
    window_start_s: Annotated[float, Allowed(minimum=0)] = 0.0
    """trace: start of the part that is replayed."""
    window_s: Annotated[float | None, Allowed(above=0)] = None
    """trace: length of that part."""


@dataclass(frozen=True, slots=True)
class SloSpec:
    """Latency limits by which goodput is counted; None: no limit."""

    ttft_s: Annotated[float | None, Allowed(above=0)] = None
    """Limit of the time to the first token."""
    tpot_s: Annotated[float | None, Allowed(above=0)] = None
    """Limit of the time per further token."""
    e2e_s: Annotated[float | None, Allowed(above=0)] = None
    """Limit of the whole latency."""


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """What is asked of a deployment, when, how often and for how long."""

    id: Annotated[str, NO_KEY]
    prompts: PromptSpec
    """What is asked."""
    arrival: ArrivalSpec
    """When it is asked."""
    num_requests: Annotated[int | None, Allowed(minimum=1, maximum=2_000_000)]
    """Stop after so many requests; null: `duration_s` ends it, or if that is null too, the end of the trace or of the
    waves."""
    duration_s: LoadTime | None
    """Send no new request after so long."""
    isolates: Literal["prefill", "decode"] | None = None
    """The one phase that this workload exercises, if it does (prefill: one output token; decode: short prompts, long
    outputs); the phase files are made from it."""
    num_warmup_requests: Annotated[int, Allowed(minimum=0, maximum=1_000_000, default=2)] = 0
    """Requests sent before, at the same concurrency, and not recorded."""
    endpoint: Endpoint = "completions"
    """Endpoint to use."""
    request_timeout_s: LoadTime = 600.0
    """Longest time for one request."""
    idle_timeout_s: LoadTime = 120.0
    """Longest silence of a stream, which then ends as a `timeout`."""
    max_failed_fraction: Fraction = 0.0
    """Share of failed requests above which the gate fails."""
    slo: SloSpec = field(default_factory=SloSpec)
    """Latency limits of goodput."""
    min_requests: Annotated[int | None, Allowed(minimum=1, maximum=1_000_000_000)] = None
    """closed: go on after duration_s until so many requests were sent, so that a slow machine shows enough of them."""
    max_duration_s: LoadTime | None = None
    """closed: but no longer than this."""


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
