"""A fleet for a demand: the GPUs that stock and the recommended clocks need, and what both use in a year.

A lower clock serves fewer requests a second, so that a saving a request may need more GPUs. The equations are in
docs/metrics.md#fleet.
"""

import math
from collections.abc import Iterator

from llmdvfs.answers.observation import STOCK
from llmdvfs.answers.recommend import recommended
from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord
from llmdvfs.records.counted import counted
from llmdvfs.records.fleet import Demand, Fleet, FleetComparison, FleetRecord

HOURS_A_YEAR = 8760


def fleets(record: AnswersRecord, demand: Demand) -> FleetRecord:
    """Return for every answer the fleets that the demand needs, at stock and at the recommended clocks."""
    return FleetRecord(demand, tuple(_compared(answer, demand) for answer in record.answers), record.modelled)


def _compared(answer: Answer, demand: Demand) -> FleetComparison:
    points = {point.point.id: point for point in answer.points}
    stock, missing = fleet(points[STOCK], answer.num_gpus, demand)
    choice = recommended(answer)
    if choice is None or choice.point is None:
        text = "nothing is recommended: leave the clocks alone"
        return FleetComparison(answer.deployment, answer.workload, stock, None, text)
    other, also_missing = fleet(points[choice.point], answer.num_gpus, demand)
    if stock is None or other is None:
        text = f"cannot be told: {missing or also_missing}"
        return FleetComparison(answer.deployment, answer.workload, stock, other, text)
    return FleetComparison(answer.deployment, answer.workload, stock, other, " ".join(_sentences(stock, other, demand)))


def fleet(point: AnsweredPoint, gpus_each: int, demand: Demand) -> tuple[Fleet | None, str]:
    """Return the smallest fleet that serves the demand at a point; None with the reason where it cannot be told.

    gpus_each: GPUs of one deployment, which serves its goodput where the load has limits, else its rate of requests.
    """
    name, seen = point.point.id, point.details
    if not gpus_each:
        return None, "the deployment has no GPUs"
    idle_w = None if seen is None else seen.idle_power_w if seen.idle_at_point_w is None else seen.idle_at_point_w
    if seen is None or seen.power_w is None or idle_w is None:
        return None, f"power under load or when idle was not recorded at {name}"
    if point.within_limits is False:
        what = "breaks a limit" if point.breaks_a_limit else "is not known to keep the limits"
        return None, f"{name} {what}: {point.limits_reason}"
    capacity_rps = seen.request_rate_rps if point.within_limits is None else seen.goodput_rps
    if not capacity_rps:
        return None, f"{name} served no request a second"
    number = math.ceil(demand.rate_rps / capacity_rps)
    busy = demand.rate_rps / (number * capacity_rps)
    power_w = number * (busy * seen.power_w + (1 - busy) * idle_w)
    energy_kwh = power_w * HOURS_A_YEAR / 1000
    num_gpus = number * gpus_each
    price = demand.gpu_price_per_hour
    found = Fleet(
        point=point.point,
        num_deployments=number,
        num_gpus=num_gpus,
        busy_fraction=busy,
        power_w=power_w,
        energy_kwh_per_year=energy_kwh,
        energy_cost_per_year=energy_kwh * demand.price_per_kwh,
        co2_kg_per_year=energy_kwh * demand.co2_kg_per_kwh,
        gpu_cost_per_year=None if price is None else num_gpus * price * HOURS_A_YEAR,
    )
    return found, ""


def _sentences(stock: Fleet, other: Fleet, demand: Demand) -> Iterator[str]:
    saved_kwh = stock.energy_kwh_per_year - other.energy_kwh_per_year
    saved_cost = stock.energy_cost_per_year - other.energy_cost_per_year
    more_gpus = other.num_gpus - stock.num_gpus
    name, currency = other.point.id, f" {demand.currency}" if demand.currency else ""
    saved_co2_kg = stock.co2_kg_per_year - other.co2_kg_per_year
    if saved_kwh <= 0:
        yield (
            f"{name} takes {-saved_kwh:,.0f} kWh a year more than stock, idle GPUs included: what it saves a request, "
            f"the fleet loses; leave the clocks alone."
        )
        return
    yield (
        f"{name} saves {saved_kwh:,.0f} kWh a year ({saved_kwh / stock.energy_kwh_per_year:.1%}), {saved_cost:,.0f}"
        f"{currency or ' of energy cost'} and {saved_co2_kg:,.0f} kg of CO2, idle GPUs included."
    )
    if more_gpus <= 0:
        yield "It needs no further GPU." if more_gpus == 0 else f"It needs {counted(-more_gpus, 'fewer GPU')}."
        return
    needs = f"It needs {counted(more_gpus, 'more GPU')} ({stock.num_gpus} -> {other.num_gpus})"
    if demand.gpu_price_per_hour is None:
        worth = saved_cost / (more_gpus * HOURS_A_YEAR)
        yield f"{needs}: that pays only where a GPU costs less than {worth:.3g}{currency} an hour."
    else:
        extra = more_gpus * demand.gpu_price_per_hour * HOURS_A_YEAR
        verdict = "less than it saves" if extra < saved_cost else "more than it saves: leave the clocks alone"
        yield f"{needs}, which cost {extra:,.0f}{currency} a year, {verdict}."
