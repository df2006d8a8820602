"""The summary that ends a run: words first, 100 columns whatever the study, the same numbers everywhere."""

from dataclasses import replace

import pandas as pd
import pytest
from fakes.records import Toy, fake_cell, fake_study
from unit.comparison.studies import compared, two_deployments

from llmdvfs.comparison.words.markdown import comparison_markdown
from llmdvfs.comparison.words.rows import tidy_rows
from llmdvfs.comparison.words.text import WIDTH, comparison_text
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.compared import METRICS

LONG = "disaggregated-3p2d-nixl_push_a-model-with-a-very-long-name-indeed"


@pytest.fixture(scope="module")
def clock_study() -> list[MeasuredCell]:
    """84 cells: 14 clocks at two loads in three launches; they were 201 lines of up to 401 characters."""
    return [
        fake_cell(Toy(workload=workload, launch=launch, gpu=True, clock_mhz=clock, duration_s=0.5))
        for workload in ("prefill", "decode")
        for launch in (1, 2, 3)
        for clock in (None, *range(600, 1900, 100))
    ]


def named(cell: MeasuredCell, deployment: str) -> MeasuredCell:
    own = replace(cell.run.cell, deployment=deployment)
    run = replace(
        cell.run, cell=own, key=f"{deployment}-{cell.run.key}", deployment=replace(cell.run.deployment, id=deployment)
    )
    return replace(cell, run=run, result=replace(cell.result, cell=own, key=run.key))


def test_a_clock_study_of_84_cells_fits_a_terminal(clock_study: list[MeasuredCell]) -> None:
    lines = comparison_text(compared(clock_study)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) < 60
    for clock in range(600, 1900, 100):
        assert sum(line.startswith(f"clock-{clock} ") for line in lines) == 2  # at either load


def test_long_names_are_cut_and_never_the_numbers() -> None:
    cells = fake_study(gpu=True)
    cells += [named(cell, f"{LONG}-{k}") for k in (1, 2) for cell in cells if cell.run.deployment.id != "single_tiny"]
    cells += [named(cell, LONG * 2) for cell in cells[:3]]
    text = comparison_text(compared(cells))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "…" in text
    for deployment in compared(cells).groups[0].deployments:
        mean = deployment.metrics["ttft_p50_s"].mean.value
        assert mean is not None
        assert f"{mean * 1e3:.4g}"[:4] in text


def test_the_verdict_comes_first_and_in_words() -> None:
    text = comparison_text(compared(fake_study(gpu=True)))
    first = text.split("\n\n")[0].replace("\n  ", " ")
    assert first.startswith("With 2 GPUs against 1 and 8 in flight (concurrent), disaggregated against single: ")
    assert "% more [" in first
    assert "energy per output token" in first
    assert first.endswith("n = 3.")


def test_the_verdict_does_not_claim_what_launches_do_not_show() -> None:
    """On this CPU there is no energy; the two rates are alike within their noise, so nothing is said to be better."""
    [sentence] = compared(two_deployments([1.0, 1.0], [2.0, 2.0])).verdict
    assert sentence.startswith("On this CPU and 8 in flight (concurrent), ")
    assert "not significant" in sentence or "within the margin" in sentence or "no loss" in sentence


def test_a_study_of_one_deployment_says_what_it_reached(clock_study: list[MeasuredCell]) -> None:
    [sentence] = compared(clock_study).verdict
    assert "tokens" in sentence
    assert sentence.endswith("nothing is related to it.")


def test_nothing_measured_is_said() -> None:
    assert comparison_text(compared([])).startswith("nothing was measured that could be compared.")


def test_the_best_is_marked_and_what_is_not_told_apart_from_it() -> None:
    lines = comparison_text(compared(two_deployments([1.0, 1.01, 0.99], [2.0, 2.02, 1.98]))).splitlines()
    start = lines.index("TTFT p50 (ms), lower is better")
    assert [line[0] for line in lines[start + 1 : start + 3]] == [">", " "]
    lines = comparison_text(compared(two_deployments([1.0, 1.2, 0.9], [1.1, 1.0, 1.05]))).splitlines()
    start = lines.index("TTFT p50 (ms), lower is better")
    assert sorted(line[0] for line in lines[start + 1 : start + 3]) == ["=", ">"]


def test_launches_marked_doubtful_have_a_line_that_says_what_they_change() -> None:
    # The two sound launches say x1.105 [x1.05, x1.17]; with the third the interval is wide enough to hold that.
    text = comparison_text(compared(two_deployments([1.0, 1.0, 1.0], [1.1, 1.11, 4.0], bad_launches=[3])))
    assert "without the launches marked * no ratio leaves its interval" in text
    text = comparison_text(compared(two_deployments([1.0] * 4, [3.0, 3.0, 1.0, 3.01], bad_launches=[1, 2, 4])))
    assert "without the launches marked *" in text


def test_markdown_has_every_metric_and_no_mark_of_its_own_by_accident(clock_study: list[MeasuredCell]) -> None:
    text = comparison_markdown(compared(clock_study))
    assert text.startswith("# Summary\n")
    assert "single\\_tiny" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) > 28 * 8  # of each of the 28 groups, every metric
    assert "| TTFT p99 (ms), lower is better | " in text


def test_the_tidy_table_has_one_row_a_value() -> None:
    record = compared(fake_study(gpu=True))
    frame = pd.DataFrame(list(tidy_rows(record)))
    assert list(frame.columns[:5]) == ["workload", "point", "batch_size", "deployment", "metric"]
    assert set(frame["kind"]) == {"launch", "geometric mean", "arithmetic mean", "ratio", "ratio per GPU"}
    keys = ["workload", "point", "deployment", "metric", "kind", "launch", "baseline"]
    assert not frame.duplicated(keys).any()
    assert set(frame["gate"]) == {"passed"}
    assert set(frame["metric"]) <= METRICS.keys()
    means = frame[(frame["metric"] == "e2e_mean_s") & (frame["kind"] == "geometric mean")]
    assert (means["n"] == 3).all()
    assert (means["low"] < means["value"]).all()
    assert (means["value"] < means["high"]).all()


def test_a_failed_gate_is_in_the_tidy_table() -> None:
    frame = pd.DataFrame(list(tidy_rows(compared(two_deployments([1.0, 1.0], [2.0, 2.0], bad_launches=[2])))))
    own = frame[(frame["metric"] == "ttft_p50_s") & (frame["deployment"] == "disaggregated_tiny")]
    assert dict(zip(own["kind"], own["gate"], strict=True)) == {
        "launch": "failed",
        "geometric mean": "failed",
        "ratio": "failed",
    }
    assert list(own[own["kind"] == "launch"]["gate"]) == ["passed", "failed"]
