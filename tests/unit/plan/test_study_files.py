"""The study files that come with the project: each is planned, and says how long it takes."""

from pathlib import Path

import pytest
import yaml
from unit.plan.test_config import CONFIG_FOLDER, ENGINE

from llmdvfs.plan.cells import all_cells
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.duration import planned_time
from llmdvfs.plan.study import Study, make_study

NUM_CELLS = {
    "config/dvfs-quick.yaml": 28,  # (5 clocks + stock twice) x 2 loads x 2 launches
    "config/studies/splitwise.yaml": 54,  # (7 caps + 2) x 2 x 3
    "config/studies/voltanallm.yaml": 105,  # (5 clocks + 2) x 5 rates x 3
    # one and two instances: 3 clocks + 2; disaggregated: 3 + 2 + 3 + 1 + 2; x 6 batches x 3
    "config/studies/disaggregation.yaml": (5 + 5 + 11) * 6 * 3,
    "config/studies/cap-against-lock.yaml": 195,  # (5 locks + 6 caps + 2) x 3 x 5
}


def read_study(path: Path, results: Path) -> Study:
    given = yaml.safe_load(path.read_text(encoding="utf-8")) | {"results": str(results)}
    return make_study(complete_config(given), lambda python: ENGINE | {"vllm": "0.23.0"})


@pytest.mark.parametrize("name", NUM_CELLS)
def test_every_listed_study_of_clocks_is_planned(name: str, tmp_path: Path) -> None:
    study = read_study(CONFIG_FOLDER.parent / name, tmp_path)
    assert len(list(all_cells(study))) == NUM_CELLS[name]


def test_no_study_of_clocks_is_without_a_test() -> None:
    studies = {f"config/studies/{path.name}" for path in (CONFIG_FOLDER / "studies").glob("*.yaml")}
    assert studies <= set(NUM_CELLS)


def test_the_quick_study_says_its_time(tmp_path: Path) -> None:
    """28 cells of 12 s of load and twice 2 s of idle: 28 x 16 = 448 s = 7.5 min of its quarter of an hour."""
    study = read_study(CONFIG_FOLDER / "dvfs-quick.yaml", tmp_path)
    assert planned_time(study, list(all_cells(study))) == (
        "28 cells in 2 server starts: loads and idle windows take 7.5 min; starts, warm-up and calibration come on top"
    )


def test_loads_that_end_by_their_requests_are_counted_apart(tmp_path: Path) -> None:
    study = read_study(CONFIG_FOLDER / "dvfs-quick.yaml", tmp_path)
    cells = [cell for cell in all_cells(study) if cell.workload == "prefill"][:1]
    given = yaml.safe_load((CONFIG_FOLDER / "dvfs-quick.yaml").read_text(encoding="utf-8"))
    del given["workloads"]["prefill"]["duration_s"]
    given["workloads"]["prefill"]["num_requests"] = 100
    open_ended = make_study(complete_config(given), lambda python: ENGINE)
    assert planned_time(open_ended, cells) == (
        "1 cell in 1 server start: loads and idle windows, beside those of 1 cell that end by their requests, take "
        "4 s; starts, warm-up and calibration come on top"
    )
