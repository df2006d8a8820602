"""What is made again after which change, read off Snakemake's own plan."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workflow.conftest import Checkout

LIBRARY = "workflow/llmdvfs"
PLOTS = {"plot_cell", "plot_deployment_single", "plot_comparison"}
FROM_ANALYSIS = {
    "phase_files_single",
    "compare",
    "summary",
    "report_page",
    "cells_compared",
    "cells_of_deployment",
    *PLOTS,
}
FROM_MERGE = {"monitor_merge", "analyze", *FROM_ANALYSIS}


@contextmanager
def edited(checkout: Checkout, path: str, old: str, new: str) -> Iterator[None]:
    """Have a file of the checkout changed for a while."""
    file = checkout.folder / path
    before = file.read_text(encoding="utf-8")
    checkout.edit(path, old, new)
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def test_a_finished_study_has_nothing_to_do(finished: Checkout) -> None:
    assert finished.planned() == {}


def test_a_touch_and_a_comment_make_nothing_again(finished: Checkout) -> None:
    for path in (finished.folder / LIBRARY).rglob("*.py"):
        os.utime(path)
    with edited(finished, f"{LIBRARY}/load/run.py", "\nimport asyncio", "\n# a comment\nimport asyncio"):
        assert finished.planned() == {}


def test_a_plot_edit_makes_figures_only(finished: Checkout) -> None:
    with edited(finished, f"{LIBRARY}/figures/cell_latency.py", "Share at or below", "Share below or at"):
        assert set(finished.planned()) == PLOTS


def test_an_analysis_edit_makes_everything_from_merge_on(finished: Checkout) -> None:
    with edited(
        finished, f"{LIBRARY}/analysis/axis/phases.py", "max(done, first - step_ns)", "max(done, first - 2 * step_ns)"
    ):
        plan = finished.planned()
    assert set(plan) == FROM_MERGE
    assert plan["monitor_merge"] == 1


def test_another_baseline_compares_again_and_analyses_nothing(finished: Checkout) -> None:
    assert set(finished.planned("--config", "baseline=external")) == {
        "compare",
        "plot_comparison",
        "summary",
        "report_page",
    }


def test_other_cells_to_draw_make_figures_of_cells_and_nothing_else(finished: Checkout) -> None:
    assert set(finished.planned("--config", "figures={cells: doubtful}")) == {"plot_cell"}
    assert finished.planned("--config", "figures={cells: none}") == {}


def test_a_gate_makes_results_again_but_not_the_merge(finished: Checkout) -> None:
    plan = finished.planned("--config", "gates={'min_window_s': 9}")
    assert "monitor_merge" not in plan
    assert plan["analyze"] == 1


def test_a_raised_measuring_version_measures_again(finished: Checkout) -> None:
    with edited(finished, f"{LIBRARY}/plan/measuring.py", "MEASURING_VERSION = ", "MEASURING_VERSION = 1000 + "):
        plan = finished.planned()
    assert plan["benchmark_external_tiny_launch_1"] == 1
    assert plan["monitor_merge"] == 1


def test_a_changed_workload_measures_its_own_cells_only(finished: Checkout) -> None:
    with edited(finished, "config/config.yaml", "num_requests: 20", "num_requests: 21"):
        plan = finished.planned()
        dry = finished.snakemake("-n")
        cells = dry.stdout.split("output:")
    assert (
        "1 cell was measured before, and not as the configuration asks now: workloads.second.num_requests: 20 then"
        in (dry.stdout + dry.stderr)
    )
    assert plan["benchmark_external_tiny_launch_1"] == 1
    assert plan["monitor_merge"] == 1
    assert not any("cells/external_tiny/first/" in text.split("\n")[0] for text in cells[1:])


def test_a_further_launch_plans_that_launch_only(finished: Checkout) -> None:
    plan = finished.planned("--config", "launches=2")
    assert [name for name in plan if name.startswith("benchmark")] == ["benchmark_external_tiny_launch_2"]
    assert plan["monitor_merge"] == 1
    assert "start_server" not in plan


def test_remeasure_measures_everything_again(finished: Checkout) -> None:
    assert finished.planned("--config", "remeasure=again")["monitor_merge"] == 1


def test_deleting_a_result_makes_it_again_without_measuring(finished: Checkout) -> None:
    result = finished.folder / "results/cells/external_tiny/first/stock/launch-1/result.json"
    kept = result.read_bytes()
    times = result.stat()
    result.unlink()
    try:
        plan = finished.planned()
    finally:
        result.write_bytes(kept)
        os.utime(result, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert plan["analyze"] == 1
    assert not any(name.startswith("benchmark") for name in plan)


@pytest.mark.parametrize(
    ("name", "remade"),
    [("latency.png", {"plot_cell"}), ("latency.pdf", {"plot_cell"}), ("result.json", FROM_ANALYSIS | {"analyze"})],
)
def test_a_deleted_file_is_made_again_whatever_snakemake_remembers(
    finished: Checkout, name: str, remade: set[str]
) -> None:
    """Stamps stand for the files of a cell: a file that is gone beside its stamp is an output by itself."""
    file = finished.folder / "results/cells/external_tiny/first/stock/launch-1" / name
    memory = finished.folder / ".snakemake" / "metadata"
    kept, aside = file.with_name(f"{name}.kept"), memory.with_name("metadata.kept")
    file.rename(kept)
    memory.rename(aside)
    try:
        plan = finished.planned()
    finally:
        kept.rename(file)
        shutil.rmtree(memory, ignore_errors=True)
        aside.rename(memory)
    assert set(plan) == remade


def test_a_figure_of_a_cell_can_be_asked_for_by_its_name(finished: Checkout) -> None:
    asked = "results/cells/external_tiny/first/stock/launch-2/latency.png"
    plan = finished.snakemake("-n", "--config", "launches=2", "--", asked)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "plot_cell" in plan.stdout + plan.stderr


def test_a_current_file_of_a_cell_that_is_asked_for_by_its_name_is_nothing_to_do(finished: Checkout) -> None:
    """What is current has no rule: Snakemake ended with `No rule to produce` a file that lay there."""
    cell = "results/cells/external_tiny/first/stock/launch-1"
    alone = finished.snakemake(f"{cell}/result.json", f"./{cell}/latency.png")
    assert (alone.returncode, "nothing to be done" in alone.stderr) == (0, True), alone.stdout + alone.stderr
    beside = finished.snakemake("-n", f"{cell}/result.json", "compare")
    assert (beside.returncode, f"{cell}/result.json: there and current" in beside.stderr) == (1, True), beside.stderr


def test_results_that_cannot_be_written_are_told_before_the_first_job(finished: Checkout) -> None:
    """A full disk ended a run at its start in Snakemake's words and five lines of where they were raised."""
    progress = finished.folder / "results" / "jobs" / "progress.json"
    before = progress.read_bytes()
    progress.unlink()
    progress.mkdir()
    try:
        run = finished.snakemake("--config", "baseline=external")
    finally:
        progress.rmdir()
        progress.write_bytes(before)
    assert run.returncode == 1
    assert (
        "llm-dvfs: results/jobs/progress.json: Is a directory; put it right, and run again" in run.stdout + run.stderr
    )
    assert "OSError in file" not in run.stdout + run.stderr


def test_the_report_is_made_offline(finished: Checkout, tmp_path: Path) -> None:
    """Both: the page of numbers, which a run leaves, and Snakemake's own, which says how each file came about."""
    page = (finished.folder / "results/report.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(cells/[^"]*)"', page)
    assert "cells/external_tiny/first/stock/launch-1/raw/" in links
    assert [link for link in links if not (finished.folder / "results" / link).exists()] == []
    run = finished.snakemake("--report", str(tmp_path / "provenance.html"))
    assert run.returncode == 0, run.stderr
    assert "(WARNING/" not in run.stdout + run.stderr, "a caption names what its job does not have"
    html = (tmp_path / "provenance.html").read_text(encoding="utf-8")
    assert "performance_comparison" in html
    assert "summary.txt" in html
