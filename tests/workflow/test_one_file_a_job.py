"""What a plan tells Snakemake of merges and drawings: one file for all cells, as every file costs time and memory."""

import re
from pathlib import Path

from workflow.conftest import Checkout, copy_checkout

CELL = "results/cells/external_tiny/{}/stock/launch-1"


def files_of(checkout: Checkout, rule: str, *arguments: str) -> tuple[list[str], list[str]]:
    """Return the cells' files among inputs and outputs of the only job of a stage, without digests of keys."""
    run = checkout.snakemake("-n", *arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    job = run.stdout.split(f"rule {rule}")[1].split("jobid")[0]
    named = re.search(r"input: (.*)\n *output: (.*)\n", job)
    assert named is not None, job
    inputs, outputs = (re.sub(r"-[0-9a-f]{12,}(\.json)?", "", text).split(", ") for text in named.groups())
    return inputs, outputs


def test_a_job_of_two_cells_asks_for_one_file_and_makes_one(tmp_path: Path) -> None:
    """With a stamp of each cell the dry run of 1,000 cells took 125 MB."""
    checkout = copy_checkout(tmp_path, "http://127.0.0.1:9")
    for rule, needed, made in (
        ("monitor_merge", "measured", ".made/merge"),
        ("plot_cell", ".made/analyze", ".made/figures"),
    ):
        inputs, outputs = files_of(checkout, rule)
        assert [Path(name).name for name in (*inputs, *outputs)] == [Path(needed).name, Path(made).name]


def test_who_names_a_file_gets_all_of_them(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path, "http://127.0.0.1:9")
    inputs, outputs = files_of(checkout, "analyze", "--", f"{CELL.format('second')}/result.json")
    assert len(inputs) == 1
    cells = [CELL.format(workload) for workload in ("first", "second")]
    assert sorted(outputs) == sorted(f"{cell}/{name}" for cell in cells for name in (".made/analyze", "result.json"))
