"""Everything after a measurement, on the raw folder of one that was taken on two H100.

python tests/golden/chain.py (`make golden`) writes what comes out beside that folder; the diff is what a change of the
analysis does to real numbers, to be looked at before it is committed. The raw files are as they were recorded, but for
paths and the GPUs' UUIDs, which were replaced.
"""

import tempfile
from pathlib import Path

from llmdvfs.__main__ import main

CELL = Path(__file__).parent / "disaggregated_small"
MADE = (
    "phases.json",
    "timeline.csv",
    "result.json",
    "comparison.json",
    "comparison.csv",
    "frequency_analysis_summary.csv",
    "summary.txt",
    "summary.md",
    "summary.csv",
)
SEED = "20261122"


def run_chain(raw: Path) -> None:
    """Merge, analyze, compare and summarise, into the folder that `raw` lies in, as in results/cells."""
    cell = str(raw.parent)
    comparison, table, frequencies, text, markdown, tidy = (str(raw.parent / name) for name in MADE[3:])
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as cells:
        print(cell, file=cells, flush=True)
        for stage in (
            ["monitor-merge", cell],
            ["analyze", "--seed", SEED, cell],
            ["compare", "--cells", cells.name, "--output", comparison, "--csv", table, "--frequencies", frequencies],
            ["summary", "--comparison", comparison, "--output", text, "--markdown", markdown, "--csv", tidy],
        ):
            code = main(stage)
            assert code == 0, stage


if __name__ == "__main__":
    run_chain(CELL / "raw")
