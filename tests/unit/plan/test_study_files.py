"""The study files that come with the project: each is planned, and says how long it takes."""

from pathlib import Path

import pytest
import yaml
from unit.plan.test_config import CONFIG_FOLDER, ENGINE

from llmdvfs.plan.cells import all_cells, pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.progress import expected_progress, in_words
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


def test_the_quick_study_takes_a_quarter_of_an_hour(tmp_path: Path) -> None:
    """28 cells of 12 s of load, twice 2 s of idle and 3 s beside: 28 x 19 = 532 s, 9 min; two server starts on top."""
    study = read_study(CONFIG_FOLDER / "dvfs-quick.yaml", tmp_path)
    pending = pending_launches(study)
    assert len(pending) == 2
    assert in_words(expected_progress(study, pending)).startswith("28 cells to measure: about 9 min")
