"""A host of its own, as far as a run can tell: results, locks, two fake GPUs and scripted servers."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from fakes.nvml import FakeNvml
from fakes.vllm_server import python_with_fake_vllm
from faults.run import Run

from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.plan.cells import all_cells, pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.places import cell_folder
from llmdvfs.records.raw import read_raw
from llmdvfs.records.store import write_record
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.planned import plan_launch

SNAKEMAKE = Path(sys.executable).parent / "snakemake"
IDLE_TIMEOUT_S = 1.5
CHECKOUT = Path(__file__).parents[2]
CLOCK = CHECKOUT / "tests" / "fakes" / "jumping_clock.c"


@dataclass(frozen=True)
class Machine:
    """What all places share, made once."""

    checkout: Path
    """A copy: nobody edits it between a run and the next."""
    python: str
    """Whose vLLM is scripted."""
    model: Path
    nvml: Path
    clock: Path
    """Library to preload, with which the wall clock can jump."""


def make_machine(folder: Path, nvml: Path) -> Machine:
    """Compile and copy what places share; `nvml`: the fake driver's library."""
    clock = folder / "jumping_clock.so"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-fPIC", "-shared", "-o", clock, CLOCK], check=True)
    write_tiny_model(folder / "model", 0)
    checkout = folder / "checkout"
    for part in ("workflow", "profiles", "envs"):
        shutil.copytree(CHECKOUT / part, checkout / part)
    shutil.copy2(CHECKOUT / "Snakefile", checkout)
    return Machine(checkout, python_with_fake_vllm(folder), folder / "model", nvml, clock)


@dataclass
class Place:
    """Two cells of one launch, at stock clocks and at low ones, unless a test changes that."""

    folder: Path
    machine: Machine
    host: "Place | None" = None
    """Another place on the same host: locks and GPUs are shared."""
    architecture: str = "single"
    serving: dict[str, Any] = field(default_factory=dict)
    study: dict[str, Any] = field(default_factory=dict)
    """Top-level keys of the configuration that are not as below."""
    own_model: Path | None = None
    enter: tuple[str, ...] = ()
    """Command that brings a run to where the results have a disk of their own."""
    runs: list[Run] = field(default_factory=list)
    gpus: FakeNvml = field(init=False)
    locks: Path = field(init=False)
    results: Path = field(init=False)
    """As this process sees them."""

    def __post_init__(self) -> None:
        (self.folder / "results").mkdir(parents=True)
        self.results = self.folder / "results"
        if self.host is not None:
            self.locks, self.gpus = self.host.locks, self.host.gpus
            return
        self.locks, self.gpus = self.folder / "tmp", FakeNvml(self.folder / "gpus", 2, library=self.machine.nvml)
        self.locks.mkdir()
        for gpu in range(2):
            self.gpus.set_power(gpu, 400.0)  # at work: an idle GPU does not tell that its clocks are held

    def config(self) -> dict[str, Any]:
        return {
            "launches": 1,
            "architectures": [self.architecture],
            "device": "cuda",
            "models": {"m": {"source": "path", "location": str(self.own_model or self.machine.model)}},
            "workloads": {
                "chat": {
                    "prompts": {"prompt_tokens": 16, "output_tokens": 8},
                    "arrival": {"kind": "closed", "concurrency": 2},
                    "duration_s": 0.8,
                    "num_warmup_requests": 0,
                    "idle_timeout_s": IDLE_TIMEOUT_S,
                }
            },
            "operating_points": {"stock": {}, "low": {"sm_clock_mhz": {"single": 1005}}},
            "serving": {"python": self.machine.python, **self.serving},
            "measure": {"idle_s": 0.5, "calibrate_client": False},
            **self.study,
        }

    def cells(self) -> list[Path]:
        """Return the raw folders of all cells."""
        return [cell_folder(self.results, cell) / "raw" for cell in all_cells(_study(json.dumps(self.config())))]

    # ---- runs

    def start(self, through: str) -> Run:
        """Start the benchmark job as Snakemake would, Snakemake as `make run` does, or a whole search."""
        (self.folder / "loaded").unlink(missing_ok=True)
        start = {
            "job": self._start_job,
            "snakemake": self._start_snakemake,
            "terminal": self._start_terminal,
            "search": self._start_search,
        }
        self.runs.append(start[through]())
        return self.run

    @property
    def run(self) -> Run:
        """Return the newest one."""
        return self.runs[-1]

    def _start_job(self) -> Run:
        study = _study(json.dumps(self.config()))
        (deployment,) = study.deployments.values()
        (planned,) = pending_launches(study)
        write_record(self.folder / "launch.json", plan_launch(deployment, self.machine.model.parent))
        write_record(self.folder / "job.json", planned.job)
        command = [sys.executable, "-m", "llmdvfs", "benchmark", "--launch", "launch.json", "--results", "results"]
        command += ["--job", "job.json", "--log", "results/logs/benchmark.log"]
        return self._run([*command, "--parent", str(os.getpid())])

    def _start_snakemake(self, before: str = "") -> Run:
        """Ask for the measurements and nothing that is made of them; `before` is for the shell."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config()), encoding="utf-8")
        command = [
            str(SNAKEMAKE),
            "--snakefile",
            str(self.machine.checkout / "Snakefile"),
            "--configfile",
            "config.yaml",
        ]
        command += [
            "--profile",
            str(self.machine.checkout / "profiles" / "default"),
            "--cores",
            "2",
            "--omit-from",
            *self._merges(),
        ]
        script = f'{before} {sys.executable} -m llmdvfs unlock && exec "$@"'
        return self._run(["sh", "-c", script, "sh", *command])

    def _start_search(self) -> Run:
        """Search, as somebody would who has a study with `search`; it starts Snakemake round by round."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config()), encoding="utf-8")
        command = [sys.executable, "-m", "llmdvfs", "search", "--configfile", "config.yaml", "--cores", "2", "--"]
        command += ["--snakefile", str(self.machine.checkout / "Snakefile")]
        return self._run([*command, "--profile", str(self.machine.checkout / "profiles" / "default")])

    def _merges(self) -> list[str]:
        """Return the names of the rules that merge cells: what is made of a measurement begins with them.

        There is one for cells of all launches, and one a launch where launches are measured beside each other.
        """
        study = _study(json.dumps(self.config()))
        names = [re.sub(r"[^A-Za-z0-9]", "_", name) for name in study.deployments]
        parts = ["launches", *(f"launch_{launch}" for launch in study.launches)]
        return [f"monitor_merge_{name}_{part}_part_0" for part in parts for name in names]

    def _start_terminal(self) -> Run:
        """Run Snakemake with a terminal, which `close_terminal` closes."""
        self._terminal, self._tty = os.openpty()
        return self._start_snakemake(f"exec 0<>{os.ttyname(self._tty)};")  # opened by a session's leader: it controls

    def close_terminal(self) -> None:
        os.close(self._tty)
        os.close(self._terminal)

    def _run(self, command: list[str]) -> Run:
        log = self.folder / f"run-{len(self.runs)}.log"
        # Whoever runs the tests in the background has Ctrl-C ignored, and so would the run.
        heard = ("env", "--default-signal=INT,HUP")
        return Run([*heard, *self.enter, *command], self.folder, self.environment(), log)

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.gpus.environment(),
            "PYTHONPATH": str(self.machine.checkout / "workflow"),
            "TMPDIR": str(self.locks),
            "LLMDVFS_LOCK_FOLDER": str(self.locks),
            "FAKE_VLLM": str(self.folder),
            "LD_PRELOAD": str(self.machine.clock),
            "FAKE_CLOCK_JUMP": str(self.folder / "clock-jump"),
        }

    # ---- what the servers do

    def servers_start(self, **how: Any) -> None:
        """Let the servers of the next start be like this (fakes/vllm_server.py)."""
        _write(self.folder / "start.json", how)

    def servers_now(self, **how: Any) -> None:
        """Let the servers that run now be like this."""
        _write(self.folder / "now.json", {**how, "since_mono_ns": time.monotonic_ns()})

    def found(self, victim: str, limit_s: float) -> int:
        """Wait until a process of the run is there, and return its id."""
        pids: list[int] = []

        def is_there() -> bool:
            pid = self.run.find(victim)
            pids.extend([] if pid is None else [pid])
            return pid is not None

        assert self.run.meets(is_there, limit_s), f"no {victim}: {self.run.output}"
        return pids[0]

    def remount(self, how: str) -> None:
        """Mount the results' own disk again: `ro`, `rw`."""
        command = ["mount", "-o", f"remount,{how}", str(self.folder / "results")]
        subprocess.run([*self.enter, *command], check=True)

    # ---- what is there

    def is_loaded(self) -> bool:
        return (self.folder / "loaded").exists()

    def load_is_over(self) -> bool:
        return any(self.results.glob("drafts/*/metrics_after.json"))

    def finished(self) -> dict[str, str]:
        """Return a digest of every measurement in the store; each must be whole."""
        found = {}
        for folder in (self.results / "store").glob("*"):
            read_raw(folder)
            content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
            found[folder.name] = hashlib.sha256(content).hexdigest()
        return found

    def held_locks(self) -> list[str]:
        return [path.name for path in self.locks.glob("*.lock") if not _can_lock(path)]

    def close(self) -> None:
        for run in self.runs:
            run.close()
        if self.host is None:
            self.gpus.close()


@cache
def _study(config: str) -> Study:
    return make_study(complete_config(json.loads(config)), engine_versions)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content))
    draft.replace(path)


def _can_lock(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
