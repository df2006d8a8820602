"""What is made of a cell, and what of it is to be made again."""

from pathlib import Path

import pytest
from unit.plan.test_cells import finish_all, with_results

from llmdvfs.plan.cells import pending_launches, plan_cells
from llmdvfs.plan.making import MadeCell, cells_a_job, current_files, jobs, made_cells
from llmdvfs.plan.progress import awaited_launches, expected_progress
from llmdvfs.plan.study import Study
from llmdvfs.records.made import FILES, STAGES, DrawnCells
from llmdvfs.records.places import PROGRESS, cell_folder, store_entry
from llmdvfs.records.store import write_record

FROM = {"merge": "code", "analyze": "code", "figures": "code"}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study of one cell, measured and with all that is made of it."""
    one = {"workloads": {"only": ONLY}, "architectures": ["single"], "launches": 1}
    study = with_results(tmp_path, **one)
    finish_all(study)
    (cell,) = made(study)
    for stage in STAGES:
        Path(cell.stamps[stage]).parent.mkdir(exist_ok=True)
        Path(cell.stamps[stage]).touch()
        for name in FILES[stage]:
            (cell.folder / name).write_text("{}\n")
    return study


ONLY = {
    "prompts": {"prompt_tokens": 8, "output_tokens": 4},
    "arrival": {"kind": "closed", "concurrency": 1},
    "num_requests": 1,
}


def made(study: Study) -> list[MadeCell]:
    cells = plan_cells(study)
    return made_cells(cells, (cell_folder(study.results, cell.id) for cell in cells), FROM)


def test_what_is_there_is_not_made_again(study: Study) -> None:
    assert [cell.stale for cell in made(study)] == [frozenset()]


@pytest.mark.parametrize(
    ("name", "content", "stale"),
    [
        ("phases.json", "", {"merge", "analyze", "figures"}),
        ("timeline.csv", "", {"merge", "analyze", "figures"}),
        ("result.json", '{"schema": "llmdv', {"analyze", "figures"}),
        ("latency.png", "", {"figures"}),
    ],
)
def test_what_is_empty_or_cut_is_made_again(study: Study, name: str, content: str, stale: set[str]) -> None:
    """An empty result.json stood there: every further run compared it, and failed."""
    (cell,) = made(study)
    (cell.folder / name).write_text(content)
    assert [cell.stale for cell in made(study)] == [frozenset(stale)]


@pytest.mark.parametrize("content", ["", '{"key": "01'])
def test_a_cell_with_a_cut_run_json_is_to_be_measured(study: Study, content: str) -> None:
    """It was taken for finished by its existence, and delivered again by every run."""
    (cell,) = plan_cells(study)
    (store_entry(study.results, cell.key) / "run.json").write_text(content)
    (launch,) = pending_launches(study)
    assert [item.key for item in launch.cells] == [cell.key]


def drawn(study: Study, cells: DrawnCells) -> MadeCell:
    planned = plan_cells(study)
    (cell,) = made_cells(planned, (cell_folder(study.results, own.id) for own in planned), FROM, cells)
    return cell


def test_without_figures_of_cells_none_are_missed_and_all_before_them_stays(study: Study) -> None:
    (study.results / "cells").joinpath(*made(study)[0].folder.parts[-4:], "latency.png").unlink()
    cell = drawn(study, "none")
    assert cell.stale == frozenset()
    assert list(cell.stamps) == ["merge", "analyze"]


def test_of_doubtful_cells_the_stamp_alone_says_that_figures_were_looked_at(study: Study) -> None:
    """A sound cell has no figures then, which nobody must take for a file that was deleted."""
    cell = drawn(study, "doubtful")
    assert cell.stale == {"figures"}  # those that are there were drawn of all
    Path(cell.stamps["figures"]).touch()
    (cell.folder / "latency.png").unlink()
    assert drawn(study, "doubtful").stale == frozenset()
    assert made(study)[0].stale == {"figures"}


def test_a_file_is_current_where_its_stage_is(study: Study) -> None:
    """Figures that a study does not draw were called current whenever some lay there, of whichever measurement."""
    asked = [str(made(study)[0].folder / name) for name in ("result.json", "latency.png", "latency.gif", "measured")]
    assert current_files(made(study), [*asked, "compare"]) == asked[:2]
    assert current_files([drawn(study, "none")], asked) == asked[:1]
    Path(asked[0]).write_text("")
    assert current_files(made(study), asked) == []


def cell(name: str, launch: int, *, stale: bool = True, is_awaited: bool = True) -> MadeCell:
    folder = Path(f"results/cells/d/{name}/stock/launch-{launch}")
    return MadeCell(folder, folder / "measured-0.json", {}, frozenset({"merge"} if stale else ()), is_awaited)


def parts(cells: list[MadeCell]) -> dict[str, list[str]]:
    """Return the cells of each merging job, `<workload><launch>`, at most two of them, by the job's name."""
    return {
        name: [f"{own.folder.parts[-3]}{own.folder.name[-1]}" for own in group]
        for name, group in jobs(cells, "merge", most=2)
    }


def test_a_job_finds_itself_by_its_name_while_others_end() -> None:
    """Five cells of two launches, two a job. A cluster's job reads the Snakefile anew when it begins.

    Parts were numbered over all that was stale: once launch 1 was merged, `launch_2_part_2` was called `part_0`, and
    SLURM's job ended with "There is no rule named ...". Parts of one launch must keep their cells for the same reason.
    """
    of_2 = [cell(name, 2) for name in "ab"]
    planned = {"launch_1_part_0": ["a1", "b1"], "launch_1_part_1": ["c1"], "launch_2_part_0": ["a2", "b2"]}
    assert parts([cell("a", 1), cell("b", 1), cell("c", 1), *of_2]) == planned
    del planned["launch_1_part_0"]
    assert parts([cell("a", 1, stale=False), cell("b", 1, stale=False), cell("c", 1), *of_2]) == planned


def test_one_job_makes_cells_of_several_launches() -> None:
    """84 cells of 14 launches, three to a launch and deployment, were 84 starts of Python in place of 18.

    A launch that is measured beside others is made by itself: its numbers must not wait for theirs.
    """
    several = [cell(name, launch, is_awaited=False) for launch in (1, 2) for name in "abc"]
    planned = {"launches_part_0": ["a1", "b1"], "launches_part_1": ["c1", "a2"], "launches_part_2": ["b2", "c2"]}
    assert parts(several) == planned
    assert parts([*several, cell("a", 3)]) == {**planned, "launch_3_part_0": ["a3"]}


def test_a_large_study_has_few_jobs_of_more_cells_each() -> None:
    """A job costs a plan 45 kB: with 16 cells a job the dry run of 1,000 cells took 112 MB in place of 109."""
    assert [cells_a_job(number) for number in (1, 84, 1_000, 100_000)] == [16, 16, 31, 128]


def test_a_cluster_job_goes_by_what_the_run_awaited_when_it_began(tmp_path: Path) -> None:
    """It plans when its launch has been measured, and must still find that launch's rules."""
    study = with_results(tmp_path, workloads={"only": ONLY}, architectures=["single"], launches=2)
    write_record(study.results / PROGRESS, expected_progress(study, pending_launches(study)))
    finish_all(study)
    plan, pending = plan_cells(study), pending_launches(study)
    assert not pending
    assert awaited_launches(plan, pending, study.results, is_main_process=True) == set()
    of_run = awaited_launches(plan, pending, study.results, is_main_process=False)
    assert of_run == {("single_tiny", 1), ("single_tiny", 2)}
