"""Two launches at once and never three, and what is prepared."""

from pathlib import Path
from typing import Any

import pytest
from unit.plan.test_cells import cell_key, with_results
from unit.plan.test_forecast import LOAD

from llmdvfs.plan.cells import all_cells
from llmdvfs.plan.prepared import cores_of_launch, fit_two, is_prepared

STUDY: dict[str, Any] = {
    "device": "cuda",
    "architectures": ["single"],
    "workloads": {"w": LOAD},
    "launches": 2,
    "serving__gpus": [0, 1],
}


@pytest.mark.parametrize("num_cores", range(1, 257))
def test_cores_that_a_launch_asks_for(num_cores: int) -> None:
    assert 1 <= cores_of_launch(num_cores) <= num_cores
    assert 3 * cores_of_launch(num_cores) > num_cores
    assert fit_two(num_cores) == (num_cores not in (1, 3))


def test_a_prepared_launch_is_the_same_measurement(tmp_path: Path) -> None:
    study, prepared = with_results(tmp_path, **STUDY), with_results(tmp_path, **STUDY, measure__prepare_servers=True)
    assert [cell_key(study, cell) for cell in all_cells(study)] == [
        cell_key(prepared, cell) for cell in all_cells(prepared)
    ]


@pytest.mark.parametrize(
    ("further", "expected"),
    [
        ({}, True),
        ({"measure__side_by_side": True}, False),
        ({"measure__prepare_servers": False}, False),
        ({"architectures": ["external"], "serving__gpus": None, "serving__base_url": "http://127.0.0.1:1"}, False),
    ],
)
def test_what_is_prepared(tmp_path: Path, further: dict[str, Any], expected: bool) -> None:
    study = with_results(tmp_path, **{**STUDY, "measure__prepare_servers": True, **further})
    (deployment,) = study.deployments.values()
    assert is_prepared(deployment, study.settings) == expected
