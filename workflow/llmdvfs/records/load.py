"""What the load generator is told (`load_spec.json`) and what it says of its run (`load_report.json`)."""

from dataclasses import dataclass
from typing import Literal

import orjson

from llmdvfs.records.route import RoutePlan
from llmdvfs.records.spec import WorkloadSpec

Priority = Literal["real_time", "raised", "normal"]
"""How the client was scheduled while the load ran: SCHED_RR, a better nice value, or as everybody."""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One run of the load generator: `python -m llmdvfs load load_spec.json`."""

    workload: WorkloadSpec
    base_url: str
    """`http://127.0.0.1:8000`, with or without the trailing `/v1`."""
    model: str
    """Name that the server serves the model under."""
    tokenizer_folder: str | None
    """Folder with the model's tokenizer.json; None: token ids that every vocabulary has."""
    seed_prompts: int
    seed_arrivals: int
    folder: str
    """Where requests.jsonl, journal.bin and load_report.json are written."""
    api_key_env: str | None = None
    """Environment variable that holds the key of an endpoint that wants one; the key itself is never written."""
    route: RoutePlan | None = None
    """Instances that are asked directly, as a proxy before them would ask; base_url is then not used. The folder takes
    proxy.jsonl too, with the stamps that a proxy would have written. None: base_url alone is asked."""
    until_told: bool = False
    """Whether the load goes on until SIGTERM. It then writes its progress into progress.jsonl and each request into
    journal.bin soon after its end, and leaves the reading of the journal to whoever ended it."""


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is that goes on until it is told to end: a line of `progress.jsonl`, every 0.2 s at most."""

    at_mono_ns: int
    num_sent: int
    """Requests sent since the load's begin; the following counts are since then, too."""
    num_ended: int
    num_ok: int
    num_written: int
    """How many of those that have ended are in journal.bin, in the order of their ends."""
    num_reads: int
    """Reads from the sockets, of requests in flight too; each read of a stream is a token or a burst of tokens."""
    oldest_mono_ns: int | None
    """When the oldest request in flight was scheduled; None: none is in flight."""
    peak_in_flight: int
    num_connections: int
    cpu_s: float
    """CPU time of the client's process since the load's begin."""
    max_rss_bytes: int
    priority: Priority
    standstill_mono_ns: tuple[tuple[int, int], ...]
    """As in LoadReport, since the line before."""
    suspended_s: float
    stopped_early: str | None
    """Why it sends nothing more though nobody has told it to end; None: it goes on sending."""


def parse_progress(line: bytes) -> LoadProgress:
    """Return what a line of progress.jsonl tells; ValueError or TypeError where it is none."""
    told = orjson.loads(line)
    told["standstill_mono_ns"] = tuple((due, awake) for due, awake in told["standstill_mono_ns"])
    return LoadProgress(**told)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The run of the load as the generator saw it; the requests themselves are in requests.jsonl."""

    load_begin_mono_ns: int
    """First scheduled send of a measured request."""
    load_end_mono_ns: int
    """End of the last measured request."""
    num_requests: int
    num_warmup_requests: int
    outcomes: dict[str, int]
    stopped_early: str | None
    """Why it stopped before the plan's end (the server is gone, say); None: it did not."""
    peak_in_flight: int
    num_connections: int
    """Connections opened over the run; opening one is never part of a latency unless the pool ran dry."""
    num_reads: int
    num_bytes: int
    """Read from the sockets by measured requests."""
    lateness_p99_s: float | None
    """Actual minus scheduled send, over the requests that were sent."""
    lateness_max_s: float | None
    cpu_s: float
    """CPU time of the client's process while the load ran."""
    parse_cpu_s: float
    """CPU time of reading the journal after the load, when nobody waits for it."""
    max_rss_bytes: int
    """Largest resident memory of the client's process."""
    priority: Priority | None = None
    """How the kernel scheduled the client; None: not told."""
    standstill_mono_ns: tuple[tuple[int, int], ...] | None = None
    """(due, awake) [mono ns] of each wake-up of the client's loop that was over 0.1 s late; None: not told."""
    suspended_s: float | None = None
    """For how long the host slept while the load ran, by CLOCK_BOOTTIME; None: not told."""
    warmup_first_token_s: tuple[float, ...] | None = None
    """From the sending of each request of the warm-up to its first token, of those that got one; None: not told."""


@dataclass(frozen=True, slots=True)
class SendRecord:
    """One request as the mock server served it: the truth that a client is measured against."""

    request_id: str | None
    """The X-Request-Id that the client sent; None: it sent none."""
    received_mono_ns: int
    """When the kernel had the request, whatever the mock was doing then."""
    token_mono_ns: tuple[int, ...]
    """Just before each token was written to the socket."""


@dataclass(frozen=True, slots=True)
class CalibrationShape:
    """The load at which a client is calibrated; equal shapes on one host need only one calibration."""

    num_streams: int
    ttft_s: float
    gap_s: float
    """Time between two tokens of a stream; all streams get their tokens in one burst."""
    num_output_tokens: int


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """How far the client's figures are from the truth at this shape (docs/metrics.md#the-instruments-own-error)."""

    shape: CalibrationShape
    num_requests: int
    num_tokens: int
    token_rate_per_s: float
    ttft_error_s: float
    """Mean over requests of the TTFT's error, counted from the send."""
    gap_p99_error_s: float | None
    """p99 of the client's gaps minus p99 of the true ones; None: one token a request has no gaps."""
    gap_error_p99_s: float | None
    """p99 of the errors of single gaps, which is stricter than the error of the p99."""
    stamp_error_p50_s: float
    stamp_error_p99_s: float
    cpu_per_token_s: float
    cpu_fraction: float
    """Share of one core that the client used: near 1 it is the bottleneck."""
