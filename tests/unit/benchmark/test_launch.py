"""What a launch does with what its cells end in."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.records import Toy, fake_cell
from fakes.requests import ok_request
from fakes.workloads import workload

from llmdvfs.benchmark import launch, waiting
from llmdvfs.benchmark.host_lock import host_lock
from llmdvfs.benchmark.shared_idle import SharedIdle
from llmdvfs.benchmark.store import draft, is_finished
from llmdvfs.benchmark.task import CellTask
from llmdvfs.errors import ClockControlError, GpusNotRestored, LlmDvfsError, ServerDied
from llmdvfs.plan.cells import cell_folder
from llmdvfs.records.job import CellJob, LaunchJob, LaunchRecord, MeasureSettings
from llmdvfs.records.load import CalibrationShape
from llmdvfs.records.places import store_entry
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.raw import REQUESTS
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import read_record, write_lines, write_record

POINTS = ("stock", "low", "lower")
RUN = fake_cell(Toy(duration_s=1.0)).run
REQUEST = ok_request(0, scheduled_mono_ns=0, sent_mono_ns=1, chunk_mono_ns=[2], end_mono_ns=3)
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
    """Replace servers and calibrations by nothing, and a cell's measurement by what `ends_with` says; tell what ran."""
    tried: list[str] = []

    @contextmanager
    def no_servers(task: CellTask, results: Path, prepared: object) -> Iterator[None]:
        tried.append("servers start" if prepared is None else f"servers start, {prepared}")
        try:
            yield None
        finally:
            tried.append("servers stop")

    def calibrate(folder: Path, shape: CalibrationShape, results: Path) -> None:
        tried.append(f"calibration of {read_record(folder / 'run.json', RunRecord).key}")

    monkeypatch.setattr(launch, "_servers", no_servers)
    monkeypatch.setattr(waiting, "calibrate_cell", calibrate)
    return tried


def ends_with(monkeypatch: pytest.MonkeyPatch, tried: list[str], ends: dict[str, LlmDvfsError]) -> None:
    def measure(task: CellTask, deployment: Any, folder: Path, shared: SharedIdle | None) -> None:
        tried.append(task.cell.point)
        if task.cell.point in ends:
            raise ends[task.cell.point]
        write_lines(folder / REQUESTS, [REQUEST])
        idle_before_of = None if shared is None else shared.key
        run = replace(RUN, key=task.cell.key, point=task.point, idle_after=(5, 6), idle_before_of=idle_before_of)
        write_record(folder / "run.json", run)

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
    assert measured == ["servers start", "stock", "low", "servers stop", "calibration of key-stock"]
    assert delivered(tmp_path) == ["stock"]
    assert not is_finished(tmp_path, "key-low")


def test_a_point_that_could_not_be_watched_is_a_failure_of_its_cell(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ends_with(monkeypatch, measured, {"low": ClockControlError("the watchdog ended")})
    with pytest.raises(launch.CellsFailed, match="the watchdog ended"):
        launch.measure_launch(LAUNCH, JOB, tmp_path)
    assert measured[:5] == ["servers start", "stock", "low", "lower", "servers stop"]
    assert delivered(tmp_path) == ["stock", "lower"]


def test_no_server_runs_while_the_client_is_calibrated(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Servers, and GPUs, were held for four seconds a cell while the client talked to its mock server."""
    ends_with(monkeypatch, measured, {})
    launch.measure_launch(LAUNCH, JOB, tmp_path)
    assert measured == ["servers start", *POINTS, "servers stop", *(f"calibration of key-{point}" for point in POINTS)]
    assert delivered(tmp_path) == list(POINTS)


def test_what_a_killed_run_measured_is_calibrated_and_not_measured_again(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A kill meets measurements that wait for their calibration: they are whole, and no reason to start a server."""

    def killed(cells: Iterable[CellJob], results: Path) -> None:
        if "servers stop" in measured:
            raise KeyboardInterrupt

    ends_with(monkeypatch, measured, {})
    with monkeypatch.context() as patched:
        patched.setattr(launch, "calibrate_waiting", killed)
        with pytest.raises(KeyboardInterrupt):
            launch.measure_launch(LAUNCH, JOB, tmp_path)
    assert delivered(tmp_path) == []
    measured.clear()
    launch.measure_launch(LAUNCH, JOB, tmp_path)
    assert measured == [f"calibration of key-{point}" for point in POINTS]
    assert delivered(tmp_path) == list(POINTS)


def test_cells_of_one_start_that_wait_are_set_aside_with_it(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With strict_launches a launch that was killed is measured anew as a whole, what waits of it included."""
    ends_with(monkeypatch, measured, {})
    with draft(tmp_path, "key-stock", waits=True) as folder:
        write_record(folder / "run.json", RUN)
    launch.measure_launch(LAUNCH, replace(JOB, one_start=True), tmp_path)
    assert measured[:5] == ["servers start", *POINTS, "servers stop"]
    assert [path.name for path in (tmp_path / "forgotten").iterdir()] == ["key-stock.1"]


def test_neighbours_at_one_operating_point_share_an_idle_window(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first at another point, and one whose neighbour failed, measure their own."""
    cells = [("chat", "low"), ("long", "low"), ("chat", "stock"), ("long", "stock"), ("short", "stock")]
    job = replace(
        JOB,
        cells=tuple(CellJob(name, point, f"{name}-{point}") for name, point in cells),
        workloads=dict.fromkeys(("chat", "long", "short"), workload()),
        settings=MeasureSettings(share_idle=True, calibrate_client=False),
    )
    ends_with(monkeypatch, measured, {"stock": ClockControlError("the watchdog ended")})
    with pytest.raises(launch.CellsFailed):
        launch.measure_launch(LAUNCH, job, tmp_path)
    ends_with(monkeypatch, measured, {})
    launch.measure_launch(LAUNCH, job, tmp_path)
    runs = [read_record(store_entry(tmp_path, cell.key) / "run.json", RunRecord) for cell in job.cells]
    assert [run.idle_before_of for run in runs] == [None, "chat-low", None, "chat-stock", "long-stock"]


def test_servers_are_prepared_while_another_launch_has_the_host(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only the first start of a launch: after a death nobody else has the host."""

    @contextmanager
    def prepare(task: CellTask, results: Path) -> Iterator[list[str]]:
        measured.append("prepares")
        other_ends.set()
        yield ["prepared"]
        measured.append("ends what was prepared")

    def other_launch() -> None:
        with host_lock():
            other_measures.set()
            other_ends.wait(10)

    monkeypatch.setattr(launch, "_prepared", prepare)
    job = replace(JOB, settings=MeasureSettings(prepare_servers=True, calibrate_client=False))
    other_measures, other_ends = threading.Event(), threading.Event()
    other = threading.Thread(target=other_launch)
    other.start()
    other_measures.wait(10)
    ends_with(monkeypatch, measured, {"low": ServerDied("single-0: killed")})
    with pytest.raises(launch.CellsFailed):
        launch.measure_launch(LAUNCH, job, tmp_path)
    other.join(10)
    starts = [event for event in measured if event.startswith(("prepares", "servers start", "ends"))]
    assert starts[:3] == ["prepares", "servers start, prepared", "servers start"]
    assert starts[-1] == "ends what was prepared"
    measured.clear()
    ends_with(monkeypatch, measured, {})
    launch.measure_launch(LAUNCH, replace(job, launch=2), tmp_path / "alone")
    assert "prepares" not in measured
