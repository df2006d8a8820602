"""`figures cell | deployment | comparison | paper`: from records to PNG and PDF."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from llmdvfs.analysis.requests.samples import latency_samples
from llmdvfs.commands.collector import collect_seldom
from llmdvfs.figures.paper import paper_figures
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.figures.parts.style import mark_modelled, save_figure, save_pdf
from llmdvfs.figures.table import CELL_FIGURES, COMPARISON_FIGURES, DEPLOYMENT_FIGURES
from llmdvfs.records import made
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.places import RAW, listed_cells
from llmdvfs.records.raw import read_drawn
from llmdvfs.records.result import CellResult
from llmdvfs.records.store import read_record
from llmdvfs.records.timeline_file import read_timeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    kinds = parser.add_subparsers(dest="kind", required=True)
    cell = kinds.add_parser("cell", help="the figures of cells, each into its folder")
    cell.add_argument("--cell", type=Path, nargs="+", required=True, help="folders of the cells")
    cell.add_argument("--figures", nargs="+", choices=CELL_FIGURES, default=list(CELL_FIGURES))
    cell.add_argument("--only-doubtful", action="store_true", help="draw those that failed a gate; others lose theirs")
    cell.set_defaults(draw=_draw_cell)
    deployment = kinds.add_parser("deployment", help="the figures of a deployment")
    deployment.add_argument("--cells", type=Path, required=True, help="list of the folders of the deployment's cells")
    deployment.add_argument("--figures", nargs="+", choices=DEPLOYMENT_FIGURES, required=True)
    deployment.add_argument("--output", type=Path, required=True, help="folder of the figures")
    deployment.set_defaults(draw=_draw_deployment)
    comparison = kinds.add_parser("comparison", help="the figures of the comparison")
    comparison.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    comparison.add_argument("--figures", nargs="+", choices=COMPARISON_FIGURES, default=list(COMPARISON_FIGURES))
    comparison.add_argument("--output", type=Path, required=True, help="folder of the figures")
    comparison.set_defaults(draw=_draw_comparison)
    paper = kinds.add_parser("paper", help="the comparison as PDFs for one column of a paper (3.5 in) and two (7.2 in)")
    paper.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    paper.add_argument("--output", type=Path, required=True, help="folder of the figures")
    paper.set_defaults(draw=_draw_paper)


def run(options: argparse.Namespace) -> int:
    """Draw the figures of the kind that was asked for."""
    options.draw(options)
    return 0


def _draw_cell(options: argparse.Namespace) -> None:
    collect_seldom()
    for folder in options.cell:
        made.begin(folder, "figures")
        if options.only_doubtful and read_record(folder / "result.json", CellResult).valid:
            _remove(folder, options.figures)
            continue
        cell = _read_cell(folder)
        for name in options.figures:
            save_figure(CELL_FIGURES[name](cell), folder / f"{name}.png", modelled=cell.run.is_modelled)


def _remove(folder: Path, figures: Iterable[str]) -> None:
    """Remove figures of a cell that is not to have any: they would be of another configuration."""
    for name in figures:
        for ending in ("png", "pdf"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)


def _draw_deployment(options: argparse.Namespace) -> None:
    from llmdvfs.comparison.groups import compare  # scipy's statistics, half a second: cells are drawn without them

    cells = [_read_cell(folder) for folder in listed_cells(options.cells)[0]]
    record = compare([cell.result for cell in cells], [cell.run for cell in cells])
    for name in options.figures:
        figure = DEPLOYMENT_FIGURES[name](record, cells)
        save_figure(figure, options.output / f"{name}.png", modelled=record.modelled)


def _draw_comparison(options: argparse.Namespace) -> None:
    record = read_record(options.comparison, ComparisonRecord)
    for name in options.figures:
        save_figure(COMPARISON_FIGURES[name](record), options.output / f"{name}.png", modelled=record.modelled)


def _draw_paper(options: argparse.Namespace) -> None:
    record = read_record(options.comparison, ComparisonRecord)
    for name, figure in paper_figures(record):
        if record.modelled:
            mark_modelled(figure)
        save_pdf(figure, options.output / f"{name}.pdf")


def _read_cell(folder: Path) -> MeasuredCell:
    run, requests, header = read_drawn(folder / RAW)
    phases = read_record(folder / "phases.json", PhasesRecord)
    result = read_record(folder / "result.json", CellResult)
    return MeasuredCell(
        result=result,
        run=run,
        phases=phases,
        header=header,
        timeline=read_timeline(folder / "timeline.csv"),
        samples_s=latency_samples(run, requests, phases, result.window),
    )
