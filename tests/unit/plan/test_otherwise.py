"""Why a cell that was measured is to be measured again: the settings that are others now."""

import json
from pathlib import Path
from typing import Any

import pytest
from unit.plan.test_cells import finish
from unit.plan.test_config import config_with

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import all_cells, plan_cells
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.identity import StudyIdentities
from llmdvfs.plan.otherwise import measured_otherwise
from llmdvfs.plan.recorded import check_recorded
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.places import store_entry

ENGINE = {"vllm": "0.32.0", "torch": "2.13.0", "python": "3.11.7"}


BEFORE = {"measure.idle_s": 2, "telemetry.interval_s": 0.1, "workloads.decode.duration_s": 6, "seed": 1}


def study(results: Path, engine: dict[str, str] = ENGINE, **changes: Any) -> Study:
    config = config_with({"results": str(results), **BEFORE, **changes})
    return make_study(complete_config(config), lambda python: engine)


def told(results: Path, engine: dict[str, str] = ENGINE, **changes: Any) -> str | None:
    now = study(results, engine, **changes)
    return measured_otherwise(now, [cell.id for cell in plan_cells(now) if not cell.is_held])


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """The default study, all 18 cells of it measured."""
    before = study(tmp_path)
    identities = StudyIdentities(before)
    for cell in all_cells(before):
        key = identities.key(cell)
        finish(before, cell, key)
        (store_entry(tmp_path, key) / "identity.json").write_text(json.dumps(identities.identity(cell)))
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"workloads.decode.duration_s": 7}, "6 cells were * now: workloads.decode.duration_s: 6 then, 7 now"),
        ({"measure.idle_s": 3}, "18 cells were * now: measure.idle_s: 2 then, 3 now"),
        ({"telemetry.interval_s": 0.05}, "18 cells were * now: telemetry.interval_s: 0.1 then, 0.05 now"),
        ({"seed": 5}, "18 cells were * now: seed: 1 then, 5 now"),
        ({"remeasure": "again"}, '18 cells were * now: remeasure: "" then, "again" now'),
    ],
)
def test_what_differs_is_named_as_in_the_configuration(measured: Path, changes: dict[str, Any], expected: str) -> None:
    """`snakemake -n` said "Missing output files", and not that an idle window had been made longer."""
    assert told(measured, **changes) == expected.replace("*", "measured before, and not as the configuration asks")


def test_another_engine_is_named(measured: Path) -> None:
    assert 'engine.vllm: "0.32.0" then, "0.33.0" now' in (told(measured, ENGINE | {"vllm": "0.33.0"}) or "")


def test_what_was_never_measured_needs_no_word(measured: Path, tmp_path: Path) -> None:
    assert told(measured) is None
    assert told(measured, launches=4) is None
    assert told(tmp_path / "elsewhere") is None


def test_many_differences_are_counted(measured: Path) -> None:
    changes = {f"workloads.decode.{name}": 9 for name in ("duration_s", "num_warmup_requests", "min_requests")}
    text = told(measured, **changes, **{"measure.idle_s": 9, "seed": 9}) or ""
    assert text.count(" then, ") == 4
    assert text.endswith("; and 1 more")


def test_a_damaged_identity_is_passed_over(measured: Path) -> None:
    for path in measured.glob("store/*/identity.json"):
        path.write_text("{")
    assert told(measured, seed=5) is None


def test_a_folder_that_holds_no_cell_of_the_study_says_what_differs(measured: Path) -> None:
    """One had to read identity.json of both to learn that windows had lasted 3 s."""
    now = study(measured, analyse_only=True, seed=5)
    with pytest.raises(ConfigError, match=r"holds none of .* 18 cells were measured before, .*: seed: 1 then, 5"):
        check_recorded(now, plan_cells(now))
