"""Replays 60 s of recorded traces at real speed against the mock, and says how late requests went out.

    python bench/client/traces.py azure=TRACE.csv.gz mooncake=TRACE.jsonl.gz [--window-s 60] [--heads]

Without a trace it says how to give one; --heads replays traces of our own making in the layouts and at the rates of the
published ones (trace_heads.py). The mock runs on one core, the client on another. Prompts have the trace's own
lengths; Mooncake's share their prefixes.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(Path(__file__).parent)]

from run import CLIENT_CORE, ENVIRONMENT, Pace, mock_server  # noqa: E402
from trace_heads import write_heads  # noqa: E402

from llmdvfs.records.load import LoadReport, LoadSpec  # noqa: E402
from llmdvfs.records.request import RequestRecord  # noqa: E402
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec  # noqa: E402
from llmdvfs.records.store import read_lines, read_record, write_record  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", nargs="*", help="format=path; formats: azure, mooncake, burstgpt, qwen_bailian")
    parser.add_argument("--window-s", type=float, default=60.0)
    parser.add_argument("--start-s", type=float, default=60.0)
    parser.add_argument("--heads", action="store_true")
    args = parser.parse_args()
    if not args.traces and not args.heads:
        print("no trace to replay: make bench TRACES='azure=FILE.csv.gz mooncake=FILE.jsonl'")
    with tempfile.TemporaryDirectory() as folder:
        traces = [(name, name, path) for name, path in (trace.split("=", 1) for trace in args.traces)]
        if args.heads:
            traces += [(name, form, str(path)) for name, (form, path) in write_heads(Path(folder)).items()]
        for name, trace_format, path in traces:
            arrival = ArrivalSpec(
                "trace",
                trace_path=path,
                trace_format=trace_format,
                window_start_s=args.start_s,
                window_s=args.window_s,
            )
            print(f"{name}: {replay(arrival)}", flush=True)
    return 0


def replay(arrival: ArrivalSpec) -> str:
    prompts = PromptSpec("random", LengthSpec("trace"), LengthSpec("trace"))
    workload = WorkloadSpec("trace", prompts, arrival, num_requests=None, duration_s=None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mock_server(Pace(0.05, 0.01), folder / "send_log.jsonl") as url:
            write_record(folder / "load_spec.json", LoadSpec(workload, url, "mock", None, 1, 1, name))
            command = [
                "taskset",
                "-c",
                str(CLIENT_CORE),
                sys.executable,
                "-m",
                "llmdvfs",
                "load",
                f"{name}/load_spec.json",
            ]
            subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        requests = list(read_lines(folder / "requests.jsonl", RequestRecord))
        report = read_record(folder / "load_report.json", LoadReport)
    late_ms = [((r.sent_mono_ns or 0) - r.scheduled_mono_ns) / 1e6 for r in requests]
    p50, p99 = np.percentile(late_ms, (50, 99))
    num_prompt_tokens = sum(r.num_prompt_tokens_requested or 0 for r in requests)
    return (
        f"{len(requests)} requests, {num_prompt_tokens} prompt tokens, outcomes {report.outcomes}; "
        f"sent - scheduled p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {max(late_ms):.2f} ms; "
        f"{report.peak_in_flight} in flight at most, {report.max_rss_bytes / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
