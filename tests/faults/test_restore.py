"""GPUs that do not come back from an operating point."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.place import Machine, Place

from llmdvfs.records.raw import RUN
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record

RUN_LIMIT_S = 120
UNKNOWN_ERROR = 999
HELD, AS_FOUND = (1005, 3201, 700), (0, 3201, 700)


@pytest.fixture
def place(machine: Machine, tmp_path: Path) -> Iterator[Place]:
    """Two cells of one launch, one at a locked core clock and one at stock."""
    made = Place(tmp_path / "place", machine)
    made.study["operating_points"] = {"stock": {}, "low": {"sm_clock_mhz": {"single": 1005}}}
    made.study["measure"] = {"idle_s": 0.05, "calibrate_client": False}
    made.study["tolerate_failed_cells"] = True
    yield made
    made.close()


def test_nothing_more_is_measured_until_the_gpu_is_brought_back(place: Place) -> None:
    """The launch ends, the next one refuses; when the driver takes orders again, it brings the GPU back and goes on."""
    place.gpus.deny(0, ["reset_sm"], UNKNOWN_ERROR, after=1)  # the rehearsal goes well
    for _ in range(2):
        run = place.start("job")
        assert run.wait(RUN_LIMIT_S) == 1, run.output
        assert "GPU 0: core clock" in run.output
        assert "nvidia-smi -i 0 -rgc" in run.output
        assert not any("/low/" in str(folder) for folder in place.cells() if folder.exists())
        assert place.gpus.setting(0) == HELD
    place.gpus.deny(0, ["reset_sm"], 0)
    run = place.start("job")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    assert "an earlier run had left its core clock set; taken back" in run.output
    assert place.gpus.setting(0) == AS_FOUND
    runs = {folder.parents[1].name: read_record(folder / RUN, RunRecord) for folder in place.cells()}
    assert {point: run.applied_point.state for point, run in runs.items()} == {"stock": "stock", "low": "applied"}
    assert all(run.applied_point.before[0].departs_from_stock is None for run in runs.values())
