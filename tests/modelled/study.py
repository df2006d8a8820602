"""Runs a whole study on the modelled GPU, as Snakemake runs a real one, and reads what it answered. MODELLED."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from fakes.nvml import FakeNvml

from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord, Choice
from llmdvfs.records.store import read_record
from modelled.engine import true_request
from modelled.gpu import AMBIENT_C, KELVIN_PER_W
from modelled.server import ROOT, SEED, python_with_modelled_vllm
from modelled.truths import HIGH_MHZ, LIMIT_W, LOW_MHZ, STEP_MHZ

NAME = "MODELLED GPU 700 W"
COUNTER_PERIOD_S = 0.02
THERMAL_TIME_S = 1.0
"""A real GPU needs 15 s and more; here its warmth is to come to rest within a warm-up."""


@dataclass(frozen=True)
class Modelled:
    """A study and the GPU that it runs on, in a folder of their own."""

    folder: Path
    config: dict[str, Any]
    seed: int
    num_gpus: int = 1

    def run(
        self, library: Path, *, cores: int = 2, quiet: bool = False, target: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake, or the search of a study that has one, to the end, and return it.

        library: the fake driver. quiet: keep the output, and let Snakemake say little. target: the rule to make, in
        place of everything.
        """
        with self.prepared(library) as environment:
            command = _command(is_search=self.config.get("search") is not None, cores=cores, quiet=quiet)
            command[1:1] = [target] if target else []
            return subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=quiet, text=True, check=False
            )

    @contextmanager
    def prepared(self, library: Path) -> Iterator[dict[str, str]]:
        """Write config.yaml, make the GPUs for a block, and give the environment in which Snakemake sees both."""
        self.folder.mkdir(parents=True, exist_ok=True)
        gpus = FakeNvml(self.folder / "gpus", self.num_gpus, library=library)
        try:
            _make_modelled(gpus)
            config = self.config | {"serving": self.config["serving"] | {"python": self._python()}}
            (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
            yield os.environ | gpus.environment() | self._environment()
        finally:
            gpus.close()

    def answers(self) -> AnswersRecord:
        """Return what the study answered."""
        return read_record(self.folder / "results" / "answers" / "answers.json", AnswersRecord)

    def true_energy_j(self, workload: str, clock_mhz: float) -> float:
        """Return the true energy of a request of a load, once the lock is held and all has come to rest."""
        asked = self.config["workloads"][workload]
        prompts, concurrency = asked["prompts"], asked["arrival"]["concurrency"]
        energy_j, _ = true_request(
            self.seed, prompts["prompt_tokens"], prompts["output_tokens"], concurrency, clock_mhz, LIMIT_W
        )
        return energy_j

    def true_best_mhz(self, workload: str) -> int:
        """Return the clock of the lowest true energy, of all that the GPU has."""
        return min(range(LOW_MHZ, HIGH_MHZ + 1, STEP_MHZ), key=lambda clock: self.true_energy_j(workload, clock))

    def true_saving(self, workload: str, clock_mhz: float) -> float:
        """Return the share of stock's energy that a clock truly saves."""
        return 1 - self.true_energy_j(workload, clock_mhz) / self.true_energy_j(workload, HIGH_MHZ)

    def _python(self) -> str:
        return python_with_modelled_vllm(self.folder)

    def _environment(self) -> dict[str, str]:
        # Locks and log of its own: what is done to this GPU says nothing about the machine's.
        (self.folder / "locks").mkdir(exist_ok=True)
        return {
            "PYTHONPATH": str(ROOT / "workflow"),
            "LLMDVFS_LOCK_FOLDER": str(self.folder / "locks"),
            SEED: str(self.seed),
        }


def _command(*, is_search: bool, cores: int, quiet: bool) -> list[str]:
    """Return the command that runs a study to its answers, as somebody would who has a GPU."""
    of_snakemake = ["--snakefile", str(ROOT / "Snakefile"), "--profile", str(ROOT / "profiles" / "default")]
    of_snakemake += ["--quiet", "all"] if quiet else []
    both = ["--configfile", "config.yaml", "--cores", str(cores)]
    if is_search:
        return [sys.executable, "-m", "llmdvfs", "search", *both, "--", *of_snakemake]
    return [str(Path(sys.executable).parent / "snakemake"), *both, *of_snakemake]


def _make_modelled(gpus: FakeNvml) -> None:
    properties = {"clock_min_mhz": LOW_MHZ, "ambient_c": AMBIENT_C, "kelvin_per_w": KELVIN_PER_W}
    for gpu in range(gpus.num_gpus):
        gpus.set_name(gpu, NAME)
        gpus.set_sensor(gpu, "energy", period_s=COUNTER_PERIOD_S, window_s=0)
        for name, value in (properties | {"thermal_time_s": THERMAL_TIME_S}).items():
            gpus.set_property(gpu, name, value)


def lowest_choice(answer: Answer) -> Choice:
    """Return what the answer says of the point of lowest energy."""
    return next(choice for choice in answer.choices if choice.rule == "lowest_energy")


def lowest(answer: Answer) -> AnsweredPoint:
    """Return the point that the answer says has the lowest energy."""
    return next(point for point in answer.points if point.point.id == lowest_choice(answer).point)


def clock_of(point: AnsweredPoint) -> float:
    """Return the core clock that a point asks for (MHz): the highest at stock."""
    return next(iter(point.point.sm_clock_mhz.values()), HIGH_MHZ)
