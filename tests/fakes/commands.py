"""Every command that reads files, with sound ones: what a fault of theirs is tried on."""

import contextlib
import io
import logging
import shutil
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from fakes.sweeps import sweep
from fakes.vllm_server import python_with_fake_vllm
from fakes.workloads import workload

from llmdvfs.__main__ import main
from llmdvfs.benchmark.store import deliver
from llmdvfs.load.sending.journal import JournalWriter
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.route import Upstream
from llmdvfs.records.store import write_record
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.planned import plan_launch
from llmdvfs.serving.proxy.plan import ProxyPlan

MEASURED = Path(__file__).parents[1] / "golden" / "disaggregated_small"
RAW = (
    *("run.json", "requests.jsonl", "load_report.json", "telemetry.jsonl", "telemetry_report.json", "proxy.jsonl"),
    *("calibration.json", "metrics_before.json", "metrics_after.json"),
)
MS = 1_000_000
STUDY = """
architectures: [external]
models: {m: {source: path, location: model}}
serving: {base_url: "http://127.0.0.1:9"}
workloads:
  chat:
    prompts: {source: sharegpt, path: sharegpt.json, output_tokens: 8}
    arrival: {kind: trace, trace_path: trace.jsonl, trace_format: mooncake}
"""
SEARCHED = """
architectures: [single]
device: cuda
models: {m: {source: path, location: model}}
serving: {python: ./python}
search: {sm_clock_mhz: {all: 600..900/150}}
workloads:
  chat:
    prompts: {prompt_tokens: 8, output_tokens: 4}
    arrival: {kind: closed, concurrency: 1}
    duration_s: 1
"""
NOBODY = "http://127.0.0.1:9"
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 97\r\n\r\n"
    b'data: {"choices": [{"text": "a", "finish_reason": "length"}]}\n\n'
    b'data: {"choices": []}\n\ndata: [DONE]\n\n'
)


@dataclass(frozen=True)
class Command:
    """A command line, relative to a folder, and the files that it reads there."""

    line: str
    reads: tuple[str, ...]
    optional: tuple[str, ...] = ()
    """Of them, those whose absence is no fault."""
    may_be_empty: tuple[str, ...] = ()
    """Of them, those of which nothing need be left: a table of lines without one, a mapping without a key."""

    code: int = 0
    """Exit code with sound files: 1 where nobody is there to be measured, or to listen at the address."""
    apart: bool = False
    """It takes its process for its own: signals, log, children."""

    @property
    def name(self) -> str:
        return " ".join(self.line.split()[:2]) if self.line.startswith(("figures", "clocks")) else self.line.split()[0]


def _in(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


OF_A_CELL = _in("cell/raw", *RAW)
DRAWN = _in("cell/raw", "run.json", "requests.jsonl", "telemetry.jsonl")
MAY_BE_ABSENT = _in("cell/raw", "proxy.jsonl", "calibration.json")
LINES = _in("cell/raw", "requests.jsonl", "proxy.jsonl")
PHASES, RESULT, TIMELINE = _in("cell", "phases.json", "result.json", "timeline.csv")
RUN, COMPARISON = _in("cell", "raw/run.json", "comparison.json")
MODEL, DATA = "model/config.json", ("trace.jsonl", "sharegpt.json")
COMMANDS = (
    Command("monitor-merge cell", OF_A_CELL, MAY_BE_ABSENT, LINES),
    Command("analyze --seed 1 cell", (*OF_A_CELL, PHASES), MAY_BE_ABSENT, LINES),
    Command("figures cell --cell cell --figures latency", (*DRAWN, PHASES, RESULT, TIMELINE), (), LINES),
    Command(
        "figures deployment --cells cells.txt --figures batch_analysis --output out",
        ("cells.txt", PHASES, RESULT, TIMELINE, *DRAWN),
        (),
        LINES,
    ),
    Command(f"figures comparison --comparison {COMPARISON} --figures ratios --output out", (COMPARISON,)),
    Command("phase-files --cells cells.txt --output out", ("cells.txt", RUN, RESULT, TIMELINE)),
    Command(
        "compare --cells cells.txt --output out/c.json --csv out/c.csv --frequencies out/f.csv",
        ("cells.txt", RUN, RESULT),
    ),
    Command(f"summary --comparison {COMPARISON}", (COMPARISON,)),
    Command(
        "answer --cells points.txt --output out/a.json --csv out/a.csv --recommended out/r.json --lookup out/l.csv"
        " --figures out --table out/a.txt",
        ("points.txt", *_in("points/0", "raw/run.json", "result.json")),
    ),
    Command("explain answers.json", ("answers.json",)),
    Command("fleet answers.json --demand-rps 9 --price-kwh 0.2 --co2-kg-per-kwh 0.3", ("answers.json",)),
    Command(
        f"report --cells cells.txt --comparison {COMPARISON} --output out/report.html",
        ("cells.txt", RUN, RESULT, TIMELINE, COMPARISON),
    ),
    Command(f"show {RESULT}", (RESULT,), may_be_empty=(RESULT,)),  # it shows any JSON
    Command("lens load", _in("load", "journal.bin", "load_spec.json")),
    Command("export load --output out/e.json", _in("load", "journal.bin", "load_spec.json")),
    Command(
        "doctor --configfile study.yaml", ("study.yaml", MODEL, "trace.jsonl", "sharegpt.json"), may_be_empty=(MODEL,)
    ),
    Command(
        "plan --configfile study.yaml", ("study.yaml", MODEL, "trace.jsonl", "sharegpt.json"), may_be_empty=(MODEL,)
    ),
    # apart: it copies every raw file by its checksum; tests/unit/benchmark/test_merging.py edits one.
    Command("merge-results into other", ("other/store/golden/run.json",), apart=True),
    Command(
        "reproduce stored.csv --cell single_m/load --measured again.csv --configfile study.yaml",
        ("stored.csv", "again.csv", "study.yaml"),
    ),
    Command("crate results", ("results/comparison/comparison.json", "results/cells/d/w/stock/launch-1/raw/run.json")),
    Command("migrate --configfile study.yaml", ("study.yaml",)),
    Command("clocks apply recommended.json", ("recommended.json",)),
    Command("search -n --configfile search.yaml", ("search.yaml",)),
    Command(
        "benchmark --launch launch.json --job job.json --results measured --log out/benchmark.log",
        ("launch.json", "job.json"),
        code=1,
        apart=True,
    ),
    Command("load loading/load_spec.json", ("loading/load_spec.json",), code=1, apart=True),
    Command("proxy --plan plan.json --log out/p.jsonl --host 192.0.2.1 --port 9", ("plan.json",), code=3, apart=True),
    Command("monitor --replay recorded.jsonl --duration 0.1 --json out/monitor.json", ("recorded.jsonl",), apart=True),
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str
    trace: str = ""
    """Of an exception that nobody told; then the code is that of Python's own."""


def outcome(line: str) -> Outcome:
    """Run a command in this process; its log begins anew."""
    out, err = io.StringIO(), io.StringIO()
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(line.split())
    except SystemExit as ended:
        return Outcome(int(ended.code or 0), out.getvalue(), err.getvalue())
    except BaseException:
        return Outcome(1, out.getvalue(), err.getvalue(), traceback.format_exc())
    return Outcome(code, out.getvalue(), err.getvalue())


def write_inputs(folder: Path) -> None:
    """Write all the files, sound."""
    shutil.copytree(MEASURED, folder / "cell")
    shutil.copytree(MEASURED / "raw", folder / "other" / "store" / "golden")
    deliver(folder / "other", "golden", folder / "other" / "cells" / "single_m" / "load" / "stock" / "launch-1")
    shutil.copytree(MEASURED, folder / "results" / "cells" / "d" / "w" / "stock" / "launch-1")
    (folder / "results" / "comparison").mkdir()
    shutil.copy(MEASURED / "comparison.json", folder / "results" / "comparison")
    (folder / "cells.txt").write_text("cell\n")
    points = sweep({None: 1.0, 1200: 0.8}, {None: 0.010, 1200: 0.013})
    for number, (result, run) in enumerate(points):
        write_record(folder / "points" / str(number) / "result.json", result)
        write_record(folder / "points" / str(number) / "raw" / "run.json", run)
    (folder / "points.txt").write_text("".join(f"points/{number}\n" for number in range(len(points))))
    files = (
        "--output answers.json --recommended recommended.json --csv a.csv --lookup l.csv --table a.txt --figures out"
    )
    assert main(["answer", "--cells", "points.txt", *files.split()]) == 0
    (folder / "load").mkdir()
    asked = replace(workload(num_output=1), duration_s=None)
    write_record(folder / "load" / "load_spec.json", LoadSpec(asked, NOBODY, "m", None, 1, 2, "load"))
    with JournalWriter(folder / "load" / "journal.bin") as journal:
        for index in range(3):
            reads = [(10 * MS, STREAM)]
            journal.write(Exchange(index, f"r{index}", None, 8, 1, 0, MS, reads, 11 * MS))
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(
        '{"num_attention_heads": 8, "hidden_size": 64, "architectures": ["L"]}'
    )
    (folder / "trace.jsonl").write_text(
        '{"timestamp": 0, "input_length": 9, "output_length": 5, "hash_ids": [1]}\n' * 3
    )
    head = "deployment,workload,point,launch,status,server_start_id,output_token_rate_per_s\n"
    rows = "".join(f"single_m,load,stock,{launch},ok,s{launch},{100 + launch / 10}\n" for launch in (1, 2, 3))
    for name in ("stored.csv", "again.csv"):
        (folder / name).write_text(head + rows)
    turns = '{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}'
    (folder / "sharegpt.json").write_text(f'[{{"id": "a", "conversations": [{turns}]}}]')
    (folder / "study.yaml").write_text(STUDY)
    (folder / "search.yaml").write_text(SEARCHED)
    python_with_fake_vllm(folder)
    study = make_study(complete_config(yaml.safe_load(STUDY)), engine_versions)
    (deployment,), planned = study.deployments.values(), pending_launches(study)[0]
    write_record(folder / "launch.json", plan_launch(deployment, folder))
    write_record(folder / "job.json", planned.job)
    write_record(folder / "plan.json", ProxyPlan((Upstream("single-0", "single", NOBODY),), None))
    (folder / "loading").mkdir()
    write_record(folder / "loading" / "load_spec.json", LoadSpec(asked, NOBODY, "m", None, 1, 2, "loading"))
    shutil.copy(MEASURED / "raw" / "telemetry.jsonl", folder / "recorded.jsonl")
