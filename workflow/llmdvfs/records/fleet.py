"""What it takes to serve a demand with copies of one deployment: made by `python -m llmdvfs fleet`."""

from dataclasses import dataclass

from llmdvfs.records.point import OperatingPoint


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be served, and what energy and GPUs cost."""

    rate_rps: float
    """Requests a second of the measured load, all year round."""
    price_per_kwh: float
    co2_kg_per_kwh: float
    gpu_price_per_hour: float | None = None
    """None where it is not stated; then the price up to which a further GPU pays for itself is told instead."""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """As many copies of a deployment as the demand needs, all at one operating point.

    A copy that is idle stays on and draws idle power.
    """

    point: OperatingPoint
    num_deployments: int
    num_gpus: int
    busy_fraction: float
    """Share of the time in which a copy serves the measured load; in the rest it waits for requests."""
    power_w: float
    """Mean power of all GPUs together."""
    energy_kwh_per_year: float
    energy_cost_per_year: float
    co2_kg_per_year: float
    gpu_cost_per_year: float | None


@dataclass(frozen=True, slots=True)
class FleetComparison:
    """Fleets at stock and at the recommended clocks, for one deployment and load; None where one is not known."""

    deployment: str
    workload: str
    stock: Fleet | None
    recommended: Fleet | None
    text: str
    """What follows from the two, or why one is not known, in plain words."""


@dataclass(frozen=True, slots=True)
class FleetRecord:
    """The demand, and the fleets of every load that has an answer."""

    demand: Demand
    comparisons: tuple[FleetComparison, ...]
    modelled: bool = False
    """Whether a GPU of some cell was a formula: then nothing here says anything about a real GPU."""
