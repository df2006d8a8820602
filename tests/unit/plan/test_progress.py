"""How long a study is thought to take, before it runs."""

import json
from pathlib import Path

import pytest
from unit.plan.test_cells import with_results

from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.progress import OVERHEAD_S, expected_progress, in_words
from llmdvfs.records.progress import ExpectedCell, RunProgress


def took(results: Path, launch: int, seconds: float, *, workload: str = "decode") -> None:
    """Leave the run.json of a cell that took so long from its start to the end of its last idle window."""
    folder = results / "cells" / "single_tiny" / workload / "stock" / f"launch-{launch}" / "raw"
    folder.mkdir(parents=True)
    times = {"started_mono_ns": 10**9, "load_end_mono_ns": 2 * 10**9, "idle_after": [0, int((1 + seconds) * 1e9)]}
    (folder / "run.json").write_text(json.dumps(times))


def expected(results: Path) -> dict[tuple[str, str], float]:
    study = with_results(results)
    pending = pending_launches(study)
    cells = [(launch.deployment, cell.workload) for launch in pending for cell in launch.job.cells]
    return dict(zip(cells, [cell.expected_s for cell in expected_progress(study, pending).cells], strict=True))


def test_a_cell_takes_what_earlier_launches_took(tmp_path: Path) -> None:
    for launch, seconds in ((1, 30.0), (2, 90.0), (3, 32.0)):
        took(tmp_path, launch, seconds)
    assert expected(tmp_path)["single_tiny", "decode"] == pytest.approx(32.0)


def test_a_cell_that_was_never_measured_takes_what_its_workload_says(tmp_path: Path) -> None:
    """The default study's loads last 6 s at least; two idle windows and the overhead come to that."""
    study = with_results(tmp_path)
    duration_s, idle_s = study.workloads["decode"].duration_s, study.settings.idle_s
    assert duration_s is not None
    assert expected(tmp_path)["single_tiny", "decode"] == duration_s + 2 * idle_s + OVERHEAD_S


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '{"load_end_mono_ns": 1e999, "started_mono_ns": 0}'])
def test_a_damaged_run_says_nothing_of_time(content: str, tmp_path: Path) -> None:
    """Brackets in brackets ended a plan in a traceback."""
    took(tmp_path, 1, 30.0)
    took(tmp_path, 2, 1.0, workload="prefill")
    (tmp_path / "cells/single_tiny/prefill/stock/launch-2/raw/run.json").write_text(content)
    found = expected(tmp_path)
    assert found["single_tiny", "decode"] == pytest.approx(30.0)
    assert found["single_tiny", "prefill"] != pytest.approx(1.0)


def test_it_is_said_in_hours_and_gpu_hours() -> None:
    run = RunProgress(0.0, (ExpectedCell("a", 1800.0, 2), ExpectedCell("b", 1800.0, 2)))
    assert in_words(run) == "2 cells to measure: about 1 h 00 min, 2 GPU hours, and the server starts"
    on_cpu = RunProgress(0.0, (ExpectedCell("a", 40.0, 0),))
    assert in_words(on_cpu) == "1 cell to measure: about 40 s and the server starts"
