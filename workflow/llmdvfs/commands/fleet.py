"""`fleet`: from answers.json and a demand to GPUs, energy, cost and CO2, at stock and at the recommended clocks."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from llmdvfs.answers.fleet import fleets
from llmdvfs.commands.explain import answers_file
from llmdvfs.commands.files import file_to_write
from llmdvfs.commands.numbers import above_zero, not_below_zero
from llmdvfs.records.answers import AnswersRecord
from llmdvfs.records.fleet import Demand, Fleet, FleetRecord
from llmdvfs.records.modelled import MODELLED_NOTE
from llmdvfs.records.store import read_record, write_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, help="answers.json, or the folder it lies in, or the results folder")
    parser.add_argument("--demand-rps", type=above_zero, required=True, help="requests a second, all year")
    parser.add_argument("--price-kwh", type=not_below_zero, required=True, help="price of a kWh")
    parser.add_argument("--co2-kg-per-kwh", type=not_below_zero, required=True, help="kg of CO2 of a kWh")
    parser.add_argument("--gpu-price-hour", type=not_below_zero, help="price of a GPU for an hour, without its energy")
    parser.add_argument("--currency", default="", help="what prices are in, to stand behind them")
    parser.add_argument("--output", type=file_to_write, help="record to write: fleet.json")


def run(options: argparse.Namespace) -> int:
    """Print, and write where asked, the fleets of every answer."""
    demand = Demand(
        options.demand_rps, options.price_kwh, options.co2_kg_per_kwh, options.gpu_price_hour, options.currency
    )
    record = fleets(read_record(answers_file(options.path), AnswersRecord), demand)
    if options.output:
        write_record(options.output, record)
    print("\n".join(lines(record)) or "there is no answer to make a fleet of")
    return 0


def lines(record: FleetRecord) -> Iterator[str]:
    """Yield the printed lines: for each load the fleet at stock, that at the recommended clocks, and what follows."""
    if record.modelled:
        yield MODELLED_NOTE
    yield f"{record.demand.rate_rps:g} requests/s, all year; what waits draws idle power"
    for item in record.comparisons:
        yield ""
        yield f"{item.deployment} / {item.workload}"
        yield f"  {'':<20} {'GPUs':>6} {'busy':>6} {'kW':>9} {'MWh/year':>10} {'energy cost':>13} {'t CO2/year':>11}"
        for fleet in (item.stock, item.recommended):
            if fleet is not None:
                yield f"  {_row(fleet)}"
        yield f"  {item.text}"


def _row(fleet: Fleet) -> str:
    return (
        f"{fleet.point.id:<20} {fleet.num_gpus:>6} {fleet.busy_fraction:>6.0%} {fleet.power_w / 1000:>9.2f} "
        f"{fleet.energy_kwh_per_year / 1000:>10.1f} {fleet.energy_cost_per_year:>13,.0f} "
        f"{fleet.co2_kg_per_year / 1000:>11.1f}"
    )
