"""A calibration that fails does not cost the load that was measured before it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.requests import ok_request

from llmdvfs.benchmark.calibration import calibrate_cell, calibrate_together, cell_shape
from llmdvfs.errors import ServerNotReady
from llmdvfs.records import raw
from llmdvfs.records.load import CalibrationResult, CalibrationShape
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import read_lines, read_record, write_lines

MS = 1_000_000


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """The raw folder of a cell with one request: 20 ms to its first token, then one after 10 ms."""
    folder = tmp_path / "cell"
    folder.mkdir()
    request = ok_request(0, scheduled_mono_ns=0, sent_mono_ns=1, chunk_mono_ns=[20 * MS, 30 * MS], end_mono_ns=31 * MS)
    write_lines(folder / raw.REQUESTS, [request])
    return folder


class Calibrator:
    """Fails so many times, as with a mock server that was killed, then answers."""

    def __init__(self, num_failures: int, error_s: float = 1e-5) -> None:
        self.num_failures = num_failures
        self.error_s = error_s
        self.num_calls = 0

    def __call__(self, shape: CalibrationShape, folder: Path) -> CalibrationResult:
        self.num_calls += 1
        if self.num_calls <= self.num_failures:
            raise ServerNotReady("the mock server ended before it wrote send_log.jsonl; was it killed?")
        return CalibrationResult(shape, 4, 8, 100.0, self.error_s, self.error_s, self.error_s, 1e-6, 1e-5, 1e-5, 0.01)


def calibrated(cell: Path, results: Path, calibrate: Calibrator) -> str | None:
    shape = cell_shape(cell)
    assert shape is not None
    return calibrate_cell(cell, shape, results, calibrate)


def test_a_killed_mock_server_is_started_once_more(cell: Path, tmp_path: Path) -> None:
    """The load of the cell was thrown away, and with it all further cells of the launch."""
    calibrate = Calibrator(1)
    assert calibrated(cell, tmp_path / "results", calibrate) is None
    assert calibrate.num_calls == 2
    assert read_record(cell / raw.CALIBRATION, CalibrationResult).shape.num_streams == 1


def test_a_calibration_that_fails_twice_is_absent_and_said(cell: Path, tmp_path: Path) -> None:
    warning = calibrated(cell, tmp_path / "results", Calibrator(2))
    assert warning is not None
    assert "calibration failed 2 times: the mock server ended before" in warning
    assert not (cell / raw.CALIBRATION).exists()


def test_a_kept_calibration_serves_again_and_a_damaged_one_is_made_anew(cell: Path, tmp_path: Path) -> None:
    """One of another version ended every later run of the study."""
    calibrate = Calibrator(0)
    for _ in range(2):
        assert calibrated(cell, tmp_path / "results", calibrate) is None
    assert calibrate.num_calls == 1
    [kept] = (tmp_path / "results" / "calibration").glob(f"*/{raw.CALIBRATION}")
    kept.write_text('{"schema": "llmdvfs/calibration-result", "schema_version": 0}')
    assert calibrated(cell, tmp_path / "results", calibrate) is None
    assert calibrate.num_calls == 2


def test_a_neighbouring_shape_is_not_calibrated_again(cell: Path, tmp_path: Path) -> None:
    """In the next launch the gap is 10 in place of 9.9 ms, which were rounded to 5 ms."""
    calibrate = Calibrator(0)
    faster = ok_request(
        0, scheduled_mono_ns=0, sent_mono_ns=1, chunk_mono_ns=[15 * MS, 24_900_000], end_mono_ns=31 * MS
    )
    gaps_s = []
    for requests in ([faster], list(read_lines(cell / raw.REQUESTS, RequestRecord))):
        write_lines(cell / raw.REQUESTS, requests)
        assert calibrated(cell, tmp_path / "results", calibrate) is None
        gaps_s.append(read_record(cell / raw.CALIBRATION, CalibrationResult).shape.gap_s)
    assert calibrate.num_calls == 1
    assert gaps_s == [0.005, 0.005]


SHAPES = [
    CalibrationShape(1, 0.01, 0.05, 1),
    CalibrationShape(1, 0.005, 0.002, 64),
    CalibrationShape(8, 0.02, 0.02, 30),
]


@pytest.mark.parametrize(("error_s", "num_calls"), [(1e-5, 1), (0.1, 4)])
def test_one_calibration_serves_several_loads_unless_its_errors_matter(
    tmp_path: Path, error_s: float, num_calls: int
) -> None:
    """With errors of 0.1 s each load gets its own, once: what is kept is not made again in the next launch."""
    calibrate = Calibrator(0, error_s)
    for launch in range(2):
        calibrate_together(SHAPES, tmp_path, calibrate)
        for number, shape in enumerate(SHAPES):
            folder = tmp_path / f"{launch}-{number}"
            folder.mkdir()
            assert calibrate_cell(folder, shape, tmp_path, calibrate) is None
            shared = read_record(folder / raw.CALIBRATION, CalibrationResult).shape
            assert shared == (CalibrationShape(8, 0.005, 0.002, 64) if num_calls == 1 else shape)
    assert calibrate.num_calls == num_calls


def test_a_shared_calibration_that_fails_is_left_to_each_load(tmp_path: Path) -> None:
    calibrate = Calibrator(1)
    calibrate_together(SHAPES, tmp_path, calibrate)
    assert calibrate_cell(tmp_path, SHAPES[0], tmp_path, calibrate) is None
    assert read_record(tmp_path / raw.CALIBRATION, CalibrationResult).shape == SHAPES[0]


def test_what_was_measured_at_the_very_shape_goes_first(cell: Path, tmp_path: Path) -> None:
    """An easier load beside it had no error to speak of, and hid an error of 0.1 s."""
    shape = cell_shape(cell)
    assert shape is not None
    easier = replace(shape, ttft_s=shape.ttft_s * 2)
    for name, at, error_s in (("a", easier, 1e-5), ("b", shape, 0.1)):
        (tmp_path / name).mkdir()
        calibrate_cell(tmp_path / name, at, tmp_path / name, Calibrator(0, error_s))
        shutil.copytree(tmp_path / name / "calibration", tmp_path / "results" / "calibration", dirs_exist_ok=True)
    assert calibrated(cell, tmp_path / "results", Calibrator(0)) is None
    assert read_record(cell / raw.CALIBRATION, CalibrationResult).shape == shape
