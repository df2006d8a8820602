"""What a measurement warned of reaches the result, beside what the analysis finds."""

from dataclasses import replace
from pathlib import Path

from llmdvfs.analysis.axis.merge import merge
from llmdvfs.analysis.cell import analyze_cell
from llmdvfs.records.raw import read_raw

GOLDEN = Path(__file__).parents[2] / "golden/disaggregated_small/raw"


def test_warnings_of_the_run_and_of_the_transfer_are_kept() -> None:
    """All of them could be dropped without a test noticing; this cell's KV crossed at 1.5 % of its link's rate."""
    raw = read_raw(GOLDEN)
    raw = replace(raw, run=replace(raw.run, warnings=("the clocks could not be read back",)))
    phases, _ = merge(raw)
    warnings = analyze_cell(raw, phases, limits={}, seed=1).warnings
    assert warnings[0] == "the clocks could not be read back"
    assert any(text.startswith("KV rate 7.2 GB/s, 1.5%") for text in warnings[1:])
