"""What a launch does with what its cells end in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes.records import Toy, fake_cell
from fakes.workloads import workload

from llmdvfs.benchmark import launch
from llmdvfs.benchmark.store import is_finished
from llmdvfs.benchmark.task import CellTask
from llmdvfs.errors import ClockControlError, GpusNotRestored, LlmDvfsError
from llmdvfs.plan.cells import cell_folder
from llmdvfs.records.job import CellJob, LaunchJob, LaunchRecord
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import write_record

POINTS = ("stock", "low", "lower")
RUN = fake_cell(Toy(duration_s=1.0)).run
LAUNCH = LaunchRecord(RUN.deployment, "model", "m", {}, None, (), "none")
JOB = LaunchJob(
    launch=1,
    seed=1,
    cells=tuple(CellJob("chat", point, f"key-{point}") for point in POINTS),
    workloads={"chat": workload()},
    points={point: OperatingPoint(point) for point in POINTS},
)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Replace servers by nothing, and the measurement of a cell by what `ends_with` says; tell which were tried."""
    tried: list[str] = []

    @contextmanager
    def no_servers(task: CellTask, results: Path) -> Iterator[None]:
        yield None

    monkeypatch.setattr(launch, "_servers", no_servers)
    return tried


def ends_with(monkeypatch: pytest.MonkeyPatch, tried: list[str], ends: dict[str, LlmDvfsError]) -> None:
    def measure(task: CellTask, deployment: Any, folder: Path, results: Path) -> None:
        tried.append(task.cell.point)
        if task.cell.point in ends:
            raise ends[task.cell.point]
        write_record(folder / "run.json", RUN)

    monkeypatch.setattr(launch, "measure_cell", measure)


def delivered(results: Path) -> Sequence[str]:
    folders = {point: cell_folder(results, CellId(RUN.deployment.id, "chat", point, 1)) for point in POINTS}
    return [point for point, folder in folders.items() if (folder / "raw" / "run.json").exists()]


def test_a_gpu_that_does_not_come_back_ends_the_launch(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It was said, and the next point measured on that GPU: `stock` at 1005 MHz, stored without a mark."""
    ends_with(monkeypatch, measured, {"low": GpusNotRestored("GPU 0: core clock")})
    with pytest.raises(GpusNotRestored, match="GPU 0: core clock"):
        launch.measure_launch(LAUNCH, JOB, tmp_path)
    assert measured == ["stock", "low"]
    assert delivered(tmp_path) == ["stock"]
    assert not is_finished(tmp_path, "key-low")


def test_a_point_that_could_not_be_watched_is_a_failure_of_its_cell(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ends_with(monkeypatch, measured, {"low": ClockControlError("the watchdog ended")})
    with pytest.raises(launch.CellsFailed, match="the watchdog ended"):
        launch.measure_launch(LAUNCH, JOB, tmp_path)
    assert measured == ["stock", "low", "lower"]
    assert delivered(tmp_path) == ["stock", "lower"]
