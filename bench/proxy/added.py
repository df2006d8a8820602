"""What a router adds to one run of a load: what the client saw minus what the servers took."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmdvfs.load.schedule.plan import plan_requests
from llmdvfs.records.load import SendRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import WorkloadSpec


@dataclass(frozen=True)
class Measured:
    """One run; milliseconds, client minus servers."""

    path: str
    router: str
    num_streams: int
    in_step: bool
    ttft_p50_ms: float
    ttft_p99_ms: float
    gap_p50_ms: float
    gap_p99_ms: float
    cpu_ms_per_1000_tokens: float | None
    host_load: float
    """Load average over the minute that ended with the run."""


def own_times(
    requests: list[RequestRecord], sent: list[SendRecord], prefilled: list[dict[str, Any]], spec: WorkloadSpec
) -> Iterator[tuple[SendRecord, int]]:
    """Yield how each request was served, and the nanoseconds that prefill took before that."""
    served = {record.request_id: record for record in sent}
    if not prefilled:
        yield from ((served[request.request_id], 0) for request in requests)
        return
    # A disaggregating router gives requests ids of its own, but their prompts are the client's.
    by_prompt = {str(one["body"]["prompt"]): one for one in prefilled}
    plan = {planned.index: str(planned.prompt_ids) for planned in plan_requests(spec, None, 0, 0)}
    for request in requests:
        one = by_prompt[plan[request.index]]
        yield served[one["request_id"]], one["answered_mono_ns"] - one["received_mono_ns"]


def figures(requests: list[RequestRecord], served: list[tuple[SendRecord, int]]) -> dict[str, float]:
    """Client minus servers, request by request (TTFT) and token by token (gaps)."""
    failed = [request for request in requests if not request.ok]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(requests)} requests failed: {failed[0].error}")
    ttft_ns = [
        request.chunk_mono_ns[0]
        - (request.sent_mono_ns or 0)
        - (true.token_mono_ns[0] - true.received_mono_ns)
        - before
        for request, (true, before) in zip(requests, served, strict=True)
    ]
    gaps_ns = []
    for request, (true, _) in zip(requests, served, strict=True):
        if len(request.chunk_mono_ns) != len(true.token_mono_ns):
            raise SystemExit(
                f"{request.request_id}: {len(request.chunk_mono_ns)} pieces came of {len(true.token_mono_ns)} tokens; "
                "expected a piece a token"
            )
        gaps_ns.append(np.diff(np.subtract(request.chunk_mono_ns, true.token_mono_ns)))
    gap_ns = np.concatenate(gaps_ns)
    return {
        "ttft_p50_ms": float(np.percentile(ttft_ns, 50)) / 1e6,
        "ttft_p99_ms": float(np.percentile(ttft_ns, 99)) / 1e6,
        "gap_p50_ms": float(np.percentile(gap_ns, 50)) / 1e6,
        "gap_p99_ms": float(np.percentile(gap_ns, 99)) / 1e6,
    }


def store(file: Path, conditions: str, runs: list[Measured]) -> None:
    """Write the runs of before and of now."""
    file.write_text(json.dumps({"conditions": conditions, "runs": [asdict(run) for run in runs]}, indent=1))


def stored(file: Path) -> list[Measured]:
    """Return the runs of before; none where there is no file. SystemExit: they are of another bench than this."""
    try:
        return [Measured(**run) for run in json.loads(file.read_text())["runs"]] if file.exists() else []
    except TypeError as error:
        raise SystemExit(
            f"{file}: its runs cannot be added to: {error}; leave --add out, or name another --output"
        ) from None
