"""Two deployments whose energies differ by a known factor, in every launch alike."""

from dataclasses import replace

from fakes.records import Toy, fake_cell
from fakes.report import reported

from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.report.verdict import verdict_of


def with_energy(cell: MeasuredCell, energy_j: float) -> MeasuredCell:
    return replace(
        cell, result=replace(cell.result, energy=replace(cell.result.energy, energy_per_output_token_j=energy_j))
    )


def test_a_pair_is_told_in_both_languages() -> None:
    """0.25 against 0.20 J, give or take nothing: 1.25 times, in all three launches."""
    cells = [
        with_energy(fake_cell(Toy(name, launch=launch, gpu=True, duration_s=0.5)), energy_j)
        for name, energy_j in (("single", 0.20), ("disaggregated", 0.25))
        for launch in (1, 2, 3)
    ]
    own = verdict_of(reported(cells).comparison)
    [sentence] = own.sentences
    assert own.headlines == own.sentences  # one home for both, and for summary.txt
    assert own.headlines[0].en == reported(cells).comparison.verdict[0]
    assert sentence.en.startswith(
        "With 2 GPUs against 1 and 8 in flight (concurrent), disaggregated against single: 25 % more ["
    )
    assert " energy per output token; " in sentence.en
    assert sentence.en.endswith("; n = 3.")
    assert sentence.zh.startswith(
        "2 块 GPU 对 1 块，在途 8 个请求（concurrent）：disaggregated 与 single 相比，每个输出 token 的能耗高 25 % ["
    )
    assert sentence.zh.endswith("；n = 3。")


def test_n_is_of_the_metrics_that_the_sentence_names() -> None:
    """A launch without a TTFT has its energy and its tokens all the same: it said n = 2 of three launches."""
    cells = [
        with_energy(fake_cell(Toy(name, launch=launch, gpu=True, duration_s=0.5)), 0.2)
        for name in ("single", "disaggregated")
        for launch in (1, 2, 3)
    ]
    latency = replace(cells[0].result.latency, ttft_s=replace(cells[0].result.latency.ttft_s, p50=None))
    cells[0] = replace(cells[0], result=replace(cells[0].result, latency=latency))
    comparison = reported(cells).comparison
    assert comparison.groups[0].pairs[0].ratios["ttft_p50_s"].fewest_launches == 2
    assert comparison.verdict[0].endswith("; n = 3.")


def test_launches_without_a_pair_have_no_sentence_but_a_headline() -> None:
    own = verdict_of(reported([fake_cell(Toy(gpu=True, duration_s=0.5))]).comparison)
    assert own.sentences == ()
    assert "nothing is related to it" in own.headlines[0].en


def test_a_doubtful_launch_is_starred() -> None:
    cells = [
        fake_cell(Toy(name, launch=launch, gpu=True, duration_s=0.5, gate_fails=launch == 1))
        for name in ("single", "disaggregated")
        for launch in (1, 2)
    ]
    [sentence] = verdict_of(reported(cells).comparison).sentences
    assert "(*)" in sentence.en
    assert "(*)" in sentence.zh
