"""`plan`: configuration and earlier results -> what the study takes. Nothing is started or changed."""

import argparse
import json
from collections.abc import Iterator

from llmdvfs.plan.cells import pending_launches, plan_cells
from llmdvfs.plan.command_line import add_study_arguments, given_configuration
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.decided import as_decided
from llmdvfs.plan.forecast import forecast, refuse_over_budget
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.study import make_study
from llmdvfs.records.forecast import Amounts, Forecast
from llmdvfs.records.progress import length_in_words
from llmdvfs.records.store import to_json
from llmdvfs.serving.instance.engine_version import engine_versions

GB = 1e9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, those of the study as Snakemake has them."""
    add_study_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a record in place of the table")


def run(options: argparse.Namespace) -> int:
    """Print the forecast; a study over its budget is an error, unless it is confirmed."""
    study = as_decided(make_study(complete_config(given_configuration(options)), engine_versions))
    check_preconditions(study, measuring=False)
    cells = plan_cells(study)
    told = forecast(study, cells, pending_launches(study, cells))
    print(json.dumps(to_json(told), indent=1) if options.json else "\n".join(lines(told)))
    refuse_over_budget(told)
    return 0


def lines(told: Forecast) -> Iterator[str]:
    """Yield the table: the study, its deployments, what was assumed, the budget."""
    width = max(len("whole study"), *(len(item.deployment) for item in told.deployments))
    yield f"{'':{width}}  {'cells':>7} {'launches':>8} {'time':>12} {'GPU hours':>9} {'kWh':>8} {'GB':>7}"
    yield f"{'whole study':{width}}  {_row(told.whole)}"
    yield from (f"{item.deployment:{width}}  {_row(item.whole)}" for item in told.deployments)
    if told.missing.num_cells < told.whole.num_cells:
        yield f"{'to measure':{width}}  {_row(told.missing)}"
    if told.assumptions:
        yield ""
        yield "assumed, where no earlier cell of this results folder tells:"
        yield from (f"  {said}" for said in told.assumptions)
    limits = {"GPU hours": told.budget.gpu_hours, "kWh": told.budget.kwh}
    given = [f"{limit:g} {unit}" for unit, limit in limits.items() if limit is not None]
    if given:
        yield ""
        yield f"budget: {', '.join(given)}: {'; '.join(told.over) or 'the whole study is within it'}"


def _row(amounts: Amounts) -> str:
    kwh = "-" if amounts.energy_kwh is None else f"{amounts.energy_kwh:.3g}"
    return (
        f"{amounts.num_cells:>7} {amounts.num_launches:>8} {length_in_words(amounts.wall_s):>12} "
        f"{amounts.gpu_h:>9.3g} {kwh:>8} {amounts.disk_bytes / GB:>7.3g}"
    )
