"""A study cut down to one cell measures that cell as the whole study would, and nothing else."""

from typing import Any

import pytest
from unit.plan.test_config import ENGINE, config_with

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import all_cells
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.one_cell import only_cell
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.comparison_file import StoredCell

CHANGES: dict[str, Any] = {
    "device": "cuda",
    "architectures": ["single", "disaggregated"],
    "operating_points": {
        "stock": {},
        "cap": {"power_limit_w": {"all": 400}},
        "low": {"sm_clock_mhz": {"all": [600, 900]}},
        "ceiling": {"sm_clock_mhz": {"all": {"min": 300, "max": 900}}},
    },
    "core_clocks": [1200, 1800],
}


def cut(text: str) -> tuple[Study, Study]:
    whole = complete_config(config_with(CHANGES))
    study = make_study(whole, lambda python: ENGINE)
    alone = only_cell(whole, study, StoredCell(*text.split("/")), results="again", launches=2)
    return study, make_study(complete_config(alone), lambda python: ENGINE)


@pytest.mark.parametrize("point", ["stock", "cap", "low-600", "ceiling", "core-1800"])
def test_the_cell_is_that_of_the_whole_study(point: str) -> None:
    whole, alone = cut(f"disaggregated_tiny/decode/{point}")
    assert {(cell.deployment, cell.workload, cell.point) for cell in all_cells(alone)} == {
        ("disaggregated_tiny", "decode", point)
    }
    assert alone.num_launches == 2
    assert alone.deployments["disaggregated_tiny"] == whole.deployments["disaggregated_tiny"]
    assert alone.workloads["decode"] == whole.workloads["decode"]
    assert alone.points[point] == whole.points[point]


def test_a_cell_that_is_not_of_the_study_is_refused_with_what_is() -> None:
    with pytest.raises(ConfigError, match="single_tiny/decode/core-7: not a cell of this study"):
        cut("single_tiny/decode/core-7")
