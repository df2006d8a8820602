"""The client is calibrated while no server runs, and a kill before that costs no measurement."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.records import Toy, fake_cell
from fakes.requests import ok_request

from llmdvfs.benchmark import waiting
from llmdvfs.benchmark.run_record import write_sealed
from llmdvfs.benchmark.store import draft, is_finished, is_measured, measured_entry, waiting_entry
from llmdvfs.records import raw
from llmdvfs.records.job import CellJob
from llmdvfs.records.load import CalibrationResult, CalibrationShape
from llmdvfs.records.places import IDENTITY, store_entry
from llmdvfs.records.run import RunRecord
from llmdvfs.records.seal import check_seal
from llmdvfs.records.store import read_record, write_lines, write_record

MS = 1_000_000
RUN = fake_cell(Toy(duration_s=1.0)).run


class Calibrations:
    """Stands for the real calibration of a cell: tells which shapes were asked, and fails where it is to."""

    def __init__(self, warning: str | None = None) -> None:
        self.asked: list[CalibrationShape] = []
        self.asked_together: list[list[CalibrationShape]] = []
        self.warning = warning

    def together(self, shapes: Sequence[CalibrationShape], results: Path) -> None:
        self.asked_together.append(list(shapes))

    def __call__(self, folder: Path, shape: CalibrationShape, results: Path) -> str | None:
        self.asked.append(shape)
        if self.warning is None:
            write_record(
                folder / raw.CALIBRATION, CalibrationResult(shape, 4, 8, 1e2, 1e-5, 1e-5, 1e-5, 1e-6, 1e-5, 1e-5, 0.01)
            )
        return self.warning


@pytest.fixture
def calibrations(monkeypatch: pytest.MonkeyPatch) -> Calibrations:
    made = Calibrations()
    monkeypatch.setattr(waiting, "calibrate_cell", made)
    monkeypatch.setattr(waiting, "calibrate_together", made.together)
    return made


def measured(results: Path, key: str, gap_ms: int | None = 10) -> CellJob:
    """Put a measurement where it waits: one request with two tokens, or none that succeeded."""
    with draft(results, key, {"never": "written yet"}, waits=True) as folder:
        ends = [] if gap_ms is None else [(20 + gap_ms) * MS]
        requests = [
            ok_request(0, scheduled_mono_ns=0, sent_mono_ns=1, chunk_mono_ns=[20 * MS, end], end_mono_ns=end)
            for end in ends
        ]
        write_lines(folder / raw.REQUESTS, requests)
        write_sealed(folder, replace(RUN, key=key))
    return CellJob("chat", "stock", key, {"workload": key})


def test_a_measurement_waits_outside_the_store_and_enters_it_sealed_anew(
    tmp_path: Path, calibrations: Calibrations
) -> None:
    cell = measured(tmp_path, "key")
    assert is_measured(tmp_path, "key")
    assert not is_finished(tmp_path, "key")
    assert measured_entry(tmp_path, "key") == waiting_entry(tmp_path, "key")

    waiting.calibrate_waiting([cell], tmp_path)
    entry = store_entry(tmp_path, "key")
    assert measured_entry(tmp_path, "key") == entry
    assert list((tmp_path / "drafts").iterdir()) == []
    run = read_record(entry / raw.RUN, RunRecord)
    assert run.warnings == RUN.warnings
    check_seal(entry, run.checksums, [raw.REQUESTS, raw.CALIBRATION])
    assert set(run.checksums or {}) == {raw.REQUESTS, raw.CALIBRATION}  # run.json of before is not a file beside it
    assert (entry / IDENTITY).exists()

    waiting.calibrate_waiting([cell], tmp_path)
    assert len(calibrations.asked) == 1


def test_the_hardest_load_is_calibrated_first(tmp_path: Path, calibrations: Calibrations) -> None:
    """What is measured at it serves the one beside it; the other way round both were measured."""
    cells = [measured(tmp_path, f"key-{gap_ms}", gap_ms) for gap_ms in (20, 5, 50)]
    waiting.calibrate_waiting(cells, tmp_path)
    assert [shape.gap_s for shape in calibrations.asked] == [0.005, 0.02, 0.05]
    [together] = calibrations.asked_together
    assert [shape.gap_s for shape in together] == [0.02, 0.005, 0.05]


def test_a_calibration_that_fails_is_a_warning_of_the_cell(tmp_path: Path, calibrations: Calibrations) -> None:
    calibrations.warning = "its calibration failed 2 times"
    waiting.calibrate_waiting([measured(tmp_path, "key")], tmp_path)
    run = read_record(store_entry(tmp_path, "key") / raw.RUN, RunRecord)
    assert run.warnings == (*RUN.warnings, "its calibration failed 2 times")


def test_a_load_without_success_waits_for_nothing(tmp_path: Path, calibrations: Calibrations) -> None:
    waiting.calibrate_waiting([measured(tmp_path, "key", None)], tmp_path)
    assert is_finished(tmp_path, "key")
    assert calibrations.asked == []


def test_only_the_asked_cells_are_taken(tmp_path: Path, calibrations: Calibrations) -> None:
    """Another study that measures into these results calibrates its own."""
    first, _ = measured(tmp_path, "key"), measured(tmp_path, "other")
    waiting.calibrate_waiting([first], tmp_path)
    assert (is_finished(tmp_path, "key"), is_finished(tmp_path, "other")) == (True, False)


def test_launches_that_end_together_calibrate_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Side by side on two GPUs they removed each other's send logs, and 9 of 12 calibrations failed."""
    at_once, most = [0], [0]

    def calibrate(folder: Path, shape: CalibrationShape, results: Path) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        at_once[0] -= 1

    monkeypatch.setattr(waiting, "calibrate_cell", calibrate)
    monkeypatch.setattr(waiting, "calibrate_together", lambda shapes, results: None)
    launches = [[measured(tmp_path, f"{launch}-{cell}") for cell in range(2)] for launch in "ab"]
    ending = [threading.Thread(target=waiting.calibrate_waiting, args=(cells, tmp_path)) for cells in launches]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join(20)
    assert most == [1]
    assert all(is_finished(tmp_path, cell.key) for cells in launches for cell in cells)
