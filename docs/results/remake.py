"""Makes the summaries and figures of the stored results again, from the values in their comparison.csv.

    python docs/results/remake.py

The values of every cell are as they were measured; means, intervals, ratios and claims are those of today's program.
What comparison.csv does not hold (engine, machine, seeds) was one and the same in these studies: their READMEs say it.
"""

import sys
from itertools import groupby
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "workflow"))

from llmdvfs.comparison.conclusion import concluded  # noqa: E402
from llmdvfs.comparison.contrast import contrast  # noqa: E402
from llmdvfs.comparison.groups import MARGIN_FRACTION, GroupDraft, with_ratios  # noqa: E402
from llmdvfs.comparison.order import ARCHITECTURE_ORDER  # noqa: E402
from llmdvfs.comparison.pair import PairDraft  # noqa: E402
from llmdvfs.comparison.summary import of_launches  # noqa: E402
from llmdvfs.comparison.words.markdown import comparison_markdown  # noqa: E402
from llmdvfs.comparison.words.rows import tidy_rows  # noqa: E402
from llmdvfs.comparison.words.text import comparison_text  # noqa: E402
from llmdvfs.figures.batch_analysis import batch_analysis  # noqa: E402
from llmdvfs.figures.parts.style import save_figure  # noqa: E402
from llmdvfs.figures.performance_comparison import performance_comparison  # noqa: E402
from llmdvfs.figures.ratios import ratios  # noqa: E402
from llmdvfs.records.compared import METRICS  # noqa: E402
from llmdvfs.records.comparison import (  # noqa: E402
    CellRow,
    ComparisonGroup,
    ComparisonRecord,
    DeploymentPair,
    DeploymentSummary,
    LaunchValue,
)
from llmdvfs.records.spec import CellId  # noqa: E402
from llmdvfs.records.store import write_text  # noqa: E402
from llmdvfs.records.verdict_text import verdict  # noqa: E402

MODEL = "qwen3-8b"
FIGURES = {
    "h200-qwen3-8b": {"performance_comparison": performance_comparison, "ratios": ratios},
    "h100-two": {"performance_comparison": performance_comparison},
    "h100-batch": {"batch_analysis": batch_analysis},
}


def record_of(path: Path) -> ComparisonRecord:
    """Return the comparison of the cells in a stored comparison.csv."""
    cells = [_cell(row) for _, row in pd.read_csv(path).iterrows()]
    cells.sort(key=lambda row: (_batch(row), ARCHITECTURE_ORDER.index(row.architecture or ""), *_names(row)))
    drafts = [_group(list(own)) for _, own in groupby(cells, key=lambda row: (row.cell.workload, row.cell.point))]
    groups, family_size = concluded(with_ratios(drafts, MARGIN_FRACTION))
    return ComparisonRecord(tuple(groups), tuple(cells), None, (), verdict(groups), MARGIN_FRACTION, family_size)


def _cell(row: pd.Series) -> CellRow:
    reason = row.get("reason")
    reason = None if pd.isna(reason) else str(reason)
    gates = tuple(dict.fromkeys(part.split(":")[0] for part in reason.split("; "))) if reason else ()
    return CellRow(
        cell=CellId(row["deployment"], row["workload"], row["point"], int(row["launch"])),
        architecture=row["architecture"],
        status=row["status"],
        reason=reason,
        failed_gates=gates,
        key=None,
        server_start_id=row["server_start_id"],
        energy_source=row["energy_source"],
        values={name: None if pd.isna(row.get(name)) else float(row[name]) for name in METRICS},
    )


def _group(rows: list[CellRow]) -> GroupDraft:
    deployments = [_deployment(list(own)) for _, own in groupby(rows, key=lambda row: row.cell.deployment)]
    cell = rows[0].cell
    group = ComparisonGroup(
        cell.workload, cell.point, _batch(rows[0]), cell.workload.rpartition("-")[0], {}, tuple(deployments), ()
    )
    return group, [
        _pair(deployments[a], deployments[b]) for a in range(len(deployments)) for b in range(a + 1, len(deployments))
    ]


def _deployment(rows: list[CellRow]) -> DeploymentSummary:
    metrics = {
        name: of_launches(
            LaunchValue(row.cell.launch, row.server_start_id or "", row.values[name], row.status == "ok")
            for row in rows
        )
        for name in METRICS
    }
    architecture = rows[0].architecture or ""
    return DeploymentSummary(
        rows[0].cell.deployment, architecture, MODEL, 1 if architecture == "single" else 2, 0, metrics
    )


def _pair(baseline: DeploymentSummary, other: DeploymentSummary) -> PairDraft:
    gpus = f"GPUs: {baseline.num_gpus} against {other.num_gpus}"
    architectures = f"architecture: {baseline.architecture} against {other.architecture}"
    varied = (architectures, gpus) if baseline.num_gpus != other.num_gpus else (architectures,)
    pair = DeploymentPair(baseline.id, other.id, (), (), {}, (f"model {MODEL}",), varied)
    return PairDraft(pair, {name: contrast(name, baseline, other) for name in METRICS})


def _batch(row: CellRow) -> int:
    return int(row.cell.workload.rpartition("-")[2])


def _names(row: CellRow) -> tuple[str, int]:
    return row.cell.deployment, row.cell.launch


def main() -> None:
    """Make all of them again."""
    for folder, figures in FIGURES.items():
        record = record_of(HERE / folder / "comparison.csv")
        write_text(HERE / folder / "summary.txt", comparison_text(record))
        write_text(HERE / folder / "summary.md", comparison_markdown(record))
        write_text(HERE / folder / "summary.csv", pd.DataFrame(list(tidy_rows(record))).to_csv(index=False))
        for name, draw in figures.items():
            save_figure(draw(record), HERE / folder / f"{name}.png")
            (HERE / folder / f"{name}.pdf").unlink()


if __name__ == "__main__":
    main()
