"""Two neighbouring cells share one idle window, and each has its readings."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.records import Toy, fake_cell
from fakes.workloads import workload

from llmdvfs.benchmark.shared_idle import idle_to_share, take_readings
from llmdvfs.benchmark.task import CellTask
from llmdvfs.clock import NS_PER_S
from llmdvfs.records import raw
from llmdvfs.records.job import CellJob, LaunchJob, LaunchRecord, MeasureSettings
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.store import write_record
from llmdvfs.records.telemetry import Reading, TelemetryHeader
from llmdvfs.records.telemetry_file import read_telemetry
from llmdvfs.records.telemetry_line import header_line, reading_line

S = NS_PER_S
STOCK, LOW = OperatingPoint("stock"), OperatingPoint("low", sm_clock_mhz={"single": 1005})
HEADER = TelemetryHeader((), 0.1, None, 0, 0.0, "none")
RUN = replace(
    fake_cell(Toy(duration_s=1.0)).run,
    key="first",
    point=STOCK,
    started_unix_s=1000.0,
    started_mono_ns=100 * S,
    idle_after=(110 * S, 112 * S),
)


def task(settings: MeasureSettings, point: OperatingPoint = STOCK) -> CellTask:
    """Return the second cell of a launch."""
    cell = CellJob("chat", point.id, "second")
    job = LaunchJob(1, 1, (cell,), {"chat": workload()}, {point.id: point}, settings)
    return CellTask(LaunchRecord(RUN.deployment, "model", "m", {}, None, (), "none"), job, cell, 1)


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """The first cell: a reading a second from 100 to 112 s, the idle window from 110 on."""
    folder = tmp_path / "first"
    folder.mkdir()
    write_record(folder / raw.RUN, RUN)
    write_telemetry(folder / raw.TELEMETRY, range(100, 113))
    return folder


def write_telemetry(path: Path, seconds: range) -> None:
    lines = [reading_line(Reading("cpu", t * S, t * S, {"energy_j": float(t)})) for t in seconds]
    path.write_bytes(b"".join((header_line(HEADER), *lines)))


SHARES = MeasureSettings(share_idle=True)


def test_the_second_cell_begins_with_the_idle_window_of_the_first(neighbour: Path, tmp_path: Path) -> None:
    """The window is from 110 to 112 s; the second cell starts half a second before it, ten seconds after the first."""
    shared = idle_to_share(task(SHARES), neighbour)
    assert shared is not None
    assert (shared.key, shared.window) == ("first", (110 * S, 112 * S))
    assert (shared.started_mono_ns, shared.started_unix_s) == (109.5 * S, 1009.5)

    own = tmp_path / "telemetry.jsonl"
    write_telemetry(own, range(114, 117))
    take_readings(shared, own)
    header, readings = read_telemetry(own)
    assert header == HEADER
    assert [reading.begin_mono_ns // S for reading in readings] == [110, 111, 112, 114, 115, 116]


@pytest.mark.parametrize(
    "own",
    [
        task(MeasureSettings()),  # nobody asked for it
        task(SHARES, LOW),  # at other clocks it draws otherwise
        task(replace(SHARES, soak="auto")),  # the soak's load runs between the two
    ],
)
def test_other_cells_measure_their_own(neighbour: Path, own: CellTask) -> None:
    assert idle_to_share(own, neighbour) is None


def test_without_an_idle_window_there_is_none_to_share(neighbour: Path) -> None:
    write_record(neighbour / raw.RUN, replace(RUN, idle_after=None))
    assert idle_to_share(task(SHARES), neighbour) is None
