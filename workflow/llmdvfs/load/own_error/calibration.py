"""Measures the client's own error on this host, against the mock server and at the load of a cell."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llmdvfs.clock import NS_PER_S
from llmdvfs.errors import LlmDvfsError, ServerNotReady
from llmdvfs.records.load import CalibrationResult, CalibrationShape, LoadReport, LoadSpec, SendRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec
from llmdvfs.records.store import read_lines, read_record, write_record

MIN_ROUNDS, MAX_ROUNDS = 4, 50  # of requests, one after another in each stream
TARGET_S = 3.0  # about how long a calibration loads the client at most
ENOUGH_TOKENS = 2_000  # 20 of them lie above the p99
PROMPT_TOKENS = 64
CLIENT_TIMEOUT_S = 120.0
END_LIMIT_S = 10.0  # the mock writes its log when it is told to end


def calibrate(shape: CalibrationShape, folder: Path) -> CalibrationResult:
    """Run the client, just as in a measurement, against the mock server for a few seconds; return its errors.

    folder: keeps the raw files. LlmDvfsError where the mock, the client or one of their files is missing at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "send_log.jsonl"
    stream_s = shape.ttft_s + shape.num_output_tokens * shape.gap_s
    num_enough = -(-ENOUGH_TOKENS // (shape.num_streams * shape.num_output_tokens))
    num_rounds = min(max(min(int(TARGET_S / stream_s), num_enough), MIN_ROUNDS), MAX_ROUNDS)
    workload = WorkloadSpec(
        id="calibration",
        prompts=PromptSpec(
            "random",
            prompt_tokens=LengthSpec("fixed", value=PROMPT_TOKENS),
            output_tokens=LengthSpec("fixed", value=shape.num_output_tokens),
        ),
        arrival=ArrivalSpec("closed", concurrency=shape.num_streams),
        num_requests=num_rounds * shape.num_streams,
        duration_s=None,
        num_warmup_requests=shape.num_streams,
    )
    with mock_server(ttft_s=shape.ttft_s, gap_s=shape.gap_s, log=log) as base_url:
        spec = LoadSpec(workload, base_url, "mock", None, seed_prompts=0, seed_arrivals=0, folder=str(folder))
        write_record(folder / "load_spec.json", spec)
        _run_client(folder / "load_spec.json")
    if not log.is_file():
        raise ServerNotReady(f"the mock server ended before it wrote {log}; was it killed?")
    report = read_record(folder / "load_report.json", LoadReport)
    return client_error(
        shape, read_lines(folder / "requests.jsonl", RequestRecord), read_lines(log, SendRecord), report
    )


def client_error(
    shape: CalibrationShape, requests: Iterable[RequestRecord], log: Iterable[SendRecord], report: LoadReport
) -> CalibrationResult:
    """Return the differences between what the client saw and what the mock server did, request by request."""
    truth = {record.request_id: record for record in log}
    ok = [r for r in requests if r.ok]
    if lost := [r.request_id for r in ok if r.request_id not in truth]:
        raise LlmDvfsError(f"calibration failed: {len(lost)} of {len(ok)} requests are not in the mock's send log")
    pairs = [(r, truth[r.request_id]) for r in ok]
    num_tokens = sum(len(true.token_mono_ns) for _, true in pairs)
    if not pairs or any(len(r.chunk_mono_ns) != len(true.token_mono_ns) for r, true in pairs):
        raise LlmDvfsError(
            f"calibration failed: {len(pairs)} requests ended well, outcomes {report.outcomes}; expected all of "
            "them, with one token a chunk; see journal.bin beside the send log"
        )
    seen = [np.asarray(r.chunk_mono_ns, dtype=np.int64) for r, _ in pairs]
    true_s = [np.asarray(true.token_mono_ns, dtype=np.int64) for _, true in pairs]
    ttft_error_ns = [
        (r.chunk_mono_ns[0] - (r.sent_mono_ns or 0)) - (true.token_mono_ns[0] - true.received_mono_ns)
        for r, true in pairs
    ]
    stamp_error_ns = np.concatenate(seen) - np.concatenate(true_s)
    gaps_ns = np.concatenate([np.diff(instants) for instants in seen])
    true_gaps_ns = np.concatenate([np.diff(instants) for instants in true_s])
    load_s = (report.load_end_mono_ns - report.load_begin_mono_ns) / NS_PER_S
    has_gaps = gaps_ns.size > 0
    return CalibrationResult(
        shape=shape,
        num_requests=len(pairs),
        num_tokens=num_tokens,
        token_rate_per_s=num_tokens / load_s,
        ttft_error_s=float(np.mean(ttft_error_ns)) / NS_PER_S,
        gap_p99_error_s=_p99_s(gaps_ns) - _p99_s(true_gaps_ns) if has_gaps else None,
        gap_error_p99_s=_p99_s(np.abs(gaps_ns - true_gaps_ns)) if has_gaps else None,
        stamp_error_p50_s=float(np.median(stamp_error_ns)) / NS_PER_S,
        stamp_error_p99_s=_p99_s(stamp_error_ns),
        cpu_per_token_s=report.cpu_s / num_tokens,
        cpu_fraction=report.cpu_s / load_s,
    )


@contextmanager
def mock_server(*, ttft_s: float, gap_s: float, log: Path) -> Iterator[str]:
    """Run the mock server in a process of its own for a block, and yield its base URL.

    log: its send log, which is there after the block.
    """
    command = [sys.executable, "-m", "llmdvfs", "mock-server", "--with-parent"]
    command += [f"--ttft-s={ttft_s}", f"--gap-s={gap_s}", f"--log={log}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.search(r"http://\S+", line)
            if found is None:
                raise ServerNotReady(f"the mock server did not start: it said {line!r}; its error is above")
            yield found.group()
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                server.kill()


def _run_client(spec: Path) -> None:
    command = [sys.executable, "-m", "llmdvfs", "load", str(spec), "--parent", str(os.getpid())]
    try:
        client = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise LlmDvfsError(f"the client did not end within {CLIENT_TIMEOUT_S:g} s in its calibration") from error
    if client.returncode != 0:
        raise LlmDvfsError(f"the client ended with {client.returncode} in its calibration: {client.stderr.strip()}")


def _p99_s(values_ns: npt.NDArray[np.int64]) -> float:
    return float(np.percentile(values_ns, 99)) / NS_PER_S
