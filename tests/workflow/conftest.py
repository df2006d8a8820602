"""A whole study on a copy of the checkout, against an endpoint with known times: everything but vLLM itself."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fakes.shared import made_once
from workflow.forks import snakemake

CHECKOUT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs", "pyproject.toml")
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
RUN_LIMIT_S = 300


@dataclass(frozen=True)
class Checkout:
    """A copy of the project that a test may edit and run."""

    folder: Path

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run snakemake in the copy."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return snakemake(["--cores", "2", *arguments], self.folder, environment, RUN_LIMIT_S)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m llmdvfs` in the copy."""
        environment = os.environ | {"PYTHONPATH": str(self.folder / "workflow")}
        command = [sys.executable, "-m", "llmdvfs", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return what `snakemake -n` plans: rule -> number of jobs, without `all`; parts of a stage are added up."""
        run = self.snakemake("-n", *arguments)
        output = run.stdout + run.stderr
        assert run.returncode == 0, output
        if "Nothing to be done" in output:
            return {}
        table = output.split("Job stats:")[1].split("total")[0]
        jobs = [
            (name, int(count)) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE) if name != "all"
        ]
        plan: dict[str, int] = {}
        for name, count in jobs:
            stage = re.sub(r"^(monitor_merge|analyze|plot_cell)_.*_part_\d+$", r"\1", name)
            plan[stage] = plan.get(stage, 0) + count
        return plan

    def to_measure(self, *arguments: str) -> set[str]:
        """Return the workloads of which `snakemake -n` plans to measure a cell."""
        run = self.snakemake("-n", *arguments)
        output = run.stdout + run.stderr
        assert run.returncode == 0, output
        outputs = "".join(re.findall(r"rule benchmark_\w+:.*?output: (.*?)\n", output, re.DOTALL))
        return set(re.findall(r"results/cells/external_tiny/(\w+)/stock/launch-\d+/measured-", outputs))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the copy."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")


def study(base_url: str) -> dict[str, object]:
    """Return a study of two small workloads on an external endpoint."""
    workload = {
        "prompts": {"prompt_tokens": 16, "output_tokens": 4},
        "arrival": {"kind": "closed", "concurrency": 2},
        "num_requests": 30,
        "num_warmup_requests": 0,
    }
    return {
        "launches": 1,
        "architectures": ["external"],
        "workloads": {"first": workload, "second": workload | {"num_requests": 20}},
        "serving": {"base_url": base_url},
        "measure": {"idle_s": 0.2, "calibrate_client": False},
    }


SERVE_UNTIL_IT_ENDS = """
import subprocess, sys, psutil
with subprocess.Popen(sys.argv[2:]) as server:
    psutil.wait_procs([psutil.Process(int(sys.argv[1]))])
    server.terminate()
"""


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An OpenAI-compatible endpoint that serves tokens at known times: one for all workers, while any runs.

    A study that one worker has measured names it, and others go on with that study when the one has ended.
    """

    def make(folder: Path) -> None:
        whole_run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        command = [sys.executable, "-m", "llmdvfs", "mock-server", "--ttft-s", "0.01", "--gap-s", "0.002"]
        with (folder / "said").open("w") as said:
            subprocess.run(
                ["setsid", "--fork", sys.executable, "-c", SERVE_UNTIL_IT_ENDS, str(whole_run), *command],
                stdout=said,
                env=os.environ | {"PYTHONPATH": str(CHECKOUT / "workflow"), "PYTHONUNBUFFERED": "1"},
                check=True,
            )
        deadline = time.monotonic() + 60
        while not (folder / "said").read_text(encoding="utf-8").endswith("\n"):
            assert time.monotonic() < deadline, "the endpoint did not start"
            time.sleep(0.05)

    return (made_once(tmp_path_factory, "endpoint", make) / "said").read_text(encoding="utf-8").split()[-1]


def copy_checkout(folder: Path, base_url: str) -> Checkout:
    """Copy what a user has, with the small study as the default one."""
    for part in PARTS:
        source = CHECKOUT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / part)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(study(base_url)), encoding="utf-8")
    return Checkout(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Checkout:
    """A checkout whose study has been measured, analysed and compared. Tests must leave it as they found it."""

    def make(folder: Path) -> None:
        run = copy_checkout(folder, endpoint).snakemake()
        assert run.returncode == 0, run.stdout + run.stderr

    own = tmp_path_factory.mktemp("finished") / "checkout"
    shutil.copytree(made_once(tmp_path_factory, "finished", make), own, symlinks=True)
    return Checkout(own)
