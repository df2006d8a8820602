"""Renders the page: template, style, script and data in one HTML file that needs no network."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from llmdvfs import __version__
from llmdvfs.records.compared import METRICS
from llmdvfs.report.cells import ReportedStudy
from llmdvfs.report.curves import timelines
from llmdvfs.report.gates import failed_gates
from llmdvfs.report.machine import machine
from llmdvfs.report.points import chart_points
from llmdvfs.report.sentences import in_both
from llmdvfs.report.tables import CELL_METRICS, cell_lines, mean_rows, measured_metrics, ratio_rows
from llmdvfs.report.verdict import verdict_of
from llmdvfs.report.words import all_words, words_of

PAGE = Path(__file__).with_name("page")


def report_page(study: ReportedStudy) -> str:
    """Return the HTML of the page; equal records give equal pages.

    Names of devices, errors and settings come from outside and are text here, whatever they hold: the template
    escapes them, and data for the script is JSON in which no tag can end.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False, "separators": (",", ":")}
    metrics = measured_metrics(study.comparison)
    return environment.get_template("page.html.jinja").render(
        w=all_words(),
        words_of=words_of,
        in_both=in_both,
        version=__version__,
        style=_asset("page.css"),
        script=_asset("page.js"),
        plotly=_asset("plotly-basic.min.js"),
        study=study,
        verdict=verdict_of(study.comparison),
        metrics={name: METRICS[name] for name in metrics},
        means=mean_rows(study.comparison, metrics),
        ratios=ratio_rows(study.comparison),
        gates=failed_gates(study.cells),
        cells=list(cell_lines(study)),
        cell_metrics=CELL_METRICS,
        machine=machine(study.cells),
        data=_chart_data(study, metrics),
    )


def _asset(name: str) -> Markup:
    """Return a file of this folder unescaped: it is the project's own, or vendored, and no data."""
    return Markup((PAGE / name).read_text(encoding="utf-8"))


def _chart_data(study: ReportedStudy, metrics: list[str]) -> dict[str, Any]:
    return {
        "points": list(chart_points(study.comparison, metrics)),
        "metrics": {name: {**words_of("metric", name)._asdict(), "unit": METRICS[name].unit} for name in metrics},
        "timelines": [asdict(own) for own in timelines(study.cells)],
        "words": {
            section: {key: text._asdict() for key, text in all_words()[section].items()}
            for section in ("curves", "timeline", "column")
        },
    }
