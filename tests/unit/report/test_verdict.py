"""Two deployments whose energies differ by a known factor, in every launch alike."""

from dataclasses import replace

from fakes.records import Toy, fake_cell
from fakes.report import reported

from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.report.verdict import verdict


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
    [sentence] = verdict(reported(cells).comparison).sentences
    begin = "concurrent, stock: disaggregated_tiny against single_tiny: energy per output token ×1.250 ["
    assert sentence.en.startswith(begin)
    assert sentence.zh.startswith(
        "concurrent，stock：disaggregated_tiny 与 single_tiny 相比，每个输出 token 的能量 ×1.250 ["
    )
    assert sentence.en.endswith("; n = 3.")


def test_launches_without_a_pair_have_no_sentence_but_a_headline() -> None:
    own = verdict(reported([fake_cell(Toy(gpu=True, duration_s=0.5))]).comparison)
    assert own.sentences == ()
    assert "nothing is related to it" in own.headlines[0]


def test_a_doubtful_launch_is_starred() -> None:
    cells = [
        fake_cell(Toy(name, launch=launch, gpu=True, duration_s=0.5, gate_fails=launch == 1))
        for name in ("single", "disaggregated")
        for launch in (1, 2)
    ]
    [sentence] = verdict(reported(cells).comparison).sentences
    assert " *" in sentence.en
    assert " *" in sentence.zh
