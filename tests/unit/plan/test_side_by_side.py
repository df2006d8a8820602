"""Launches of one study on disjoint GPUs at once: which of them, and how many fit."""

from pathlib import Path
from typing import Any

import pytest
from unit.plan.test_cells import cell_key, with_results
from unit.plan.test_forecast import LOAD, told

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import all_cells, pending_launches
from llmdvfs.plan.side_by_side import share_of_cores

STUDY: dict[str, Any] = {
    "device": "cuda",
    "architectures": ["single"],
    "workloads": {"w": LOAD},
    "launches": 6,
    "serving__gpus": [0, 1, 2, 3],
}
BESIDE: dict[str, Any] = {**STUDY, "measure__side_by_side": True}


def test_every_fourth_launch_is_alone(tmp_path: Path) -> None:
    jobs = [launch.job for launch in pending_launches(with_results(tmp_path, **BESIDE))]
    assert [job.launch for job in jobs if job.side_by_side] == [2, 3, 4, 6]


def test_a_measurement_beside_neighbours_is_another_one_than_one_alone(tmp_path: Path) -> None:
    """The launches that are alone keep the keys that they have without side_by_side: they are the same measurement."""
    study, alone = with_results(tmp_path, **BESIDE), with_results(tmp_path, **STUDY)
    same = [cell.launch for cell in all_cells(study) if cell_key(study, cell) == cell_key(alone, cell)]
    assert same == [1, 5]


@pytest.mark.parametrize(
    ("num_cores", "num_gpus", "expected"),
    [(64, 1, 16), (64, 2, 32), (64, 4, 64), (5, 1, 2), (2, 1, 1)],
)
def test_a_launch_takes_its_share_of_the_cores(num_cores: int, num_gpus: int, expected: int) -> None:
    """Of 4 GPUs. 5 cores are rounded up: shares of 1 would let five launches run on four GPUs."""
    assert share_of_cores(num_cores, num_gpus, 4) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "cpu", "architectures": ["single"]}, "expected device cuda, not cpu"),
        ({"serving__gpus": None}, "expected serving.gpus to name the GPUs"),
        ({"operating_points": {"stock": {}, "low": {"sm_clock_mhz": {"all": 900}}}}, "operating point 'low' sets"),
    ],
)
def test_what_cannot_be_side_by_side_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        with_results(tmp_path, **{**BESIDE, **change})


def test_a_forecast_spreads_launches_side_by_side_over_the_gpus(tmp_path: Path) -> None:
    """Launches of 122 s: the first alone, the second on one GPU of four: 122 + 122 / 4 s, and 244 GPU seconds."""
    whole = told(with_results(tmp_path, **{**BESIDE, "launches": 2, "measure__idle_s": 2})).whole
    assert whole.wall_s == pytest.approx(122 + 122 / 4)
    assert whole.gpu_s == pytest.approx(244)
