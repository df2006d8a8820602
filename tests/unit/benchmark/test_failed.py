"""What a launch leaves of failed cells, and of cells of other server starts."""

from dataclasses import replace
from pathlib import Path

from fakes.records import Toy, fake_cell
from fakes.workloads import workload

from llmdvfs.benchmark.failed import record_failures
from llmdvfs.benchmark.launch import CellsFailed
from llmdvfs.benchmark.one_start import set_aside_other_starts
from llmdvfs.benchmark.store import draft, is_finished
from llmdvfs.errors import ServerNotReady
from llmdvfs.plan.cells import cell_folder
from llmdvfs.records.failed import FailedCell
from llmdvfs.records.job import CellJob, LaunchJob
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import read_record, write_record

NAMES = ("first", "second", "third")
JOB = LaunchJob(
    launch=1,
    seed=1,
    cells=tuple(CellJob(name, "stock", f"key-{name}") for name in NAMES),
    workloads={name: replace(workload(), id=name) for name in NAMES},
    points={"stock": OperatingPoint("stock")},
)


def measure(results: Path, name: str, start: str = "one") -> None:
    run = fake_cell(Toy(duration_s=1.0)).run
    with draft(results, f"key-{name}") as folder:
        write_record(folder / "run.json", replace(run, server_start=replace(run.server_start, id=start)))


def raw(results: Path, name: str) -> Path:
    return cell_folder(results, CellId("single_tiny", name, "stock", 1)) / "raw"


def test_the_failed_cell_says_why_and_the_others_are_delivered(tmp_path: Path) -> None:
    measure(tmp_path, "first")
    measure(tmp_path, "third")
    error = CellsFailed({"key-second": "single_tiny/second/stock/launch-1: out of memory\nsee server.log"}, 3)
    record_failures("single_tiny", JOB, tmp_path, error)
    failed = read_record(raw(tmp_path, "second") / "failed.json", FailedCell)
    assert (failed.key, failed.cell.workload) == ("key-second", "second")
    assert failed.cause == "out of memory\nsee server.log"
    assert [path.name for path in raw(tmp_path, "second").iterdir()] == ["failed.json"]
    assert (raw(tmp_path, "first") / "run.json").exists()
    assert (raw(tmp_path, "third") / "run.json").exists()


def test_where_no_server_started_every_cell_failed_of_that(tmp_path: Path) -> None:
    record_failures("single_tiny", JOB, tmp_path, ServerNotReady("GPU 0 is in use"))
    causes = {read_record(raw(tmp_path, name) / "failed.json", FailedCell).cause for name in NAMES}
    assert causes == {"GPU 0 is in use"}


def test_cells_of_an_older_start_are_set_aside(tmp_path: Path) -> None:
    measure(tmp_path, "first")
    measure(tmp_path, "second")
    set_aside_other_starts(JOB, tmp_path)
    assert not any(is_finished(tmp_path, cell.key) for cell in JOB.cells)
    assert len(list((tmp_path / "forgotten").iterdir())) == 2


def test_cells_of_two_starts_are_set_aside(tmp_path: Path) -> None:
    for name, start in zip(NAMES, ("one", "one", "two"), strict=True):
        measure(tmp_path, name, start)
    set_aside_other_starts(JOB, tmp_path)
    assert not any(is_finished(tmp_path, cell.key) for cell in JOB.cells)


def test_a_whole_launch_of_one_start_is_kept(tmp_path: Path) -> None:
    for name in NAMES:
        measure(tmp_path, name)
    set_aside_other_starts(JOB, tmp_path)
    assert all(is_finished(tmp_path, cell.key) for cell in JOB.cells)
