"""`figures cell | deployment | comparison`: records -> PNG and PDF."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from llmdvfs.analysis.comparison import compare
from llmdvfs.analysis.samples import latency_samples
from llmdvfs.figures.batch_analysis import batch_analysis
from llmdvfs.figures.cell import MeasuredCell
from llmdvfs.figures.cell_latency import cell_latency
from llmdvfs.figures.cell_timeline import cell_timeline
from llmdvfs.figures.cross_frequency import cross_frequency_comparison
from llmdvfs.figures.disaggregated import disaggregated_performance_analysis
from llmdvfs.figures.performance_comparison import performance_comparison
from llmdvfs.figures.ratios import ratios
from llmdvfs.figures.single_server import vllm_server_comparison
from llmdvfs.figures.style import save_figure
from llmdvfs.figures.ttft_parts import ttft_parts
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.raw import read_raw
from llmdvfs.records.result import CellResult
from llmdvfs.records.store import read_record

COMPARISON_FIGURES: dict[str, Callable[[ComparisonRecord], Figure]] = {
    "performance_comparison": performance_comparison,
    "ratios": ratios,
    "ttft_parts": ttft_parts,
    "cross_frequency_comparison": cross_frequency_comparison,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    kinds = parser.add_subparsers(dest="kind", required=True)
    cell = kinds.add_parser("cell", help="timeline.png and latency.png of a cell")
    cell.add_argument("cell", type=Path, help="folder of the cell")
    cell.set_defaults(draw=_draw_cell)
    deployment = kinds.add_parser("deployment", help="the figures of a deployment")
    deployment.add_argument("cells", type=Path, nargs="+", help="folders of the deployment's cells")
    deployment.add_argument("--output", type=Path, required=True, help="folder of the figures")
    deployment.set_defaults(draw=_draw_deployment)
    comparison = kinds.add_parser("comparison", help="the figures of the comparison")
    comparison.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    comparison.add_argument("--output", type=Path, required=True, help="folder of the figures")
    comparison.set_defaults(draw=_draw_comparison)


def run(options: argparse.Namespace) -> int:
    """Draw the figures of one kind."""
    options.draw(options)
    return 0


def _draw_cell(options: argparse.Namespace) -> None:
    cell = _read_cell(options.cell)
    save_figure(cell_timeline(cell), options.cell / "timeline.png")
    save_figure(cell_latency(cell), options.cell / "latency.png")


def _draw_deployment(options: argparse.Namespace) -> None:
    cells = [_read_cell(folder) for folder in options.cells]
    record = compare([cell.result for cell in cells], [cell.run for cell in cells])
    deployment = cells[0].run.deployment
    save_figure(batch_analysis(record), options.output / "batch_analysis.png")
    if "prefill" in deployment.num_instances:
        figure = disaggregated_performance_analysis(cells)
        save_figure(figure, options.output / "disaggregated_performance_analysis.png")
    else:
        save_figure(vllm_server_comparison(record, cells), options.output / "vllm_server_comparison.png")


def _draw_comparison(options: argparse.Namespace) -> None:
    record = read_record(options.comparison, ComparisonRecord)
    for name, draw in COMPARISON_FIGURES.items():
        save_figure(draw(record), options.output / f"{name}.png")


def _read_cell(folder: Path) -> MeasuredCell:
    raw = read_raw(folder / "raw")
    phases = read_record(folder / "phases.json", PhasesRecord)
    result = read_record(folder / "result.json", CellResult)
    return MeasuredCell(
        result=result,
        run=raw.run,
        phases=phases,
        header=raw.header,
        timeline=pd.read_csv(folder / "timeline.csv"),
        samples_s=latency_samples(raw, phases, result.window),
    )
