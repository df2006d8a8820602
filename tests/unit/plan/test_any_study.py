"""500 studies with one value that does not belong there: planned, or refused in words."""

import json
import random
from pathlib import Path

import pytest
import yaml
from fakes.damage import damaged
from unit.plan.test_config import CONFIG_FOLDER, ENGINE

from llmdvfs.errors import LlmDvfsError
from llmdvfs.plan.cells import all_cells, pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.config_file import read_config_file
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.progress import expected_progress, in_words
from llmdvfs.plan.study import make_study
from llmdvfs.records.job import LaunchJob

STUDIES = sorted(path for path in CONFIG_FOLDER.parent.glob("config/**/*.yaml"))
NUM_STUDIES = 500
MAX_LINE = 1000  # characters of one refusal: a message is not the value


def plan(path: Path, results: Path) -> None:
    """Read and plan a study as Snakemake and doctor do, up to what is about to be measured."""
    given = read_config_file(path)
    if isinstance(given.get("results"), str):
        given["results"] = str(results)
    study = make_study(complete_config(given), lambda python: ENGINE)
    check_preconditions(study, measuring=True)
    assert list(all_cells(study))
    launches = pending_launches(study)
    assert all(isinstance(planned.job, LaunchJob) for planned in launches)
    assert in_words(expected_progress(study, launches))


def told(path: Path, results: Path) -> str | None:
    """Return what is told of a study that is refused; None: it was planned."""
    try:
        plan(path, results)
    except LlmDvfsError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("part", range(10))
def test_any_study_is_planned_or_refused(part: int, tmp_path: Path) -> None:
    """`told` lets through errors of the tree alone."""
    num_planned = 0
    for number in range(part, NUM_STUDIES, 10):
        study = json.dumps(yaml.safe_load(STUDIES[number % len(STUDIES)].read_text(encoding="utf-8"))).encode()
        for turn in range(random.Random(number).randint(1, 3)):
            study = damaged(study, "another value", 1000 * turn + number)
        path = tmp_path / "study.yaml"
        path.write_bytes(study)
        said = told(path, tmp_path / "results")
        num_planned += said is None
        assert said is None or max(map(len, said.splitlines())) < MAX_LINE, (number, said)
    assert 0 < num_planned < NUM_STUDIES // 10  # some values do no harm
