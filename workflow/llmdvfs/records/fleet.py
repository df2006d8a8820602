"""What a fleet of one deployment takes at a demand: printed and written by `python -m llmdvfs fleet`."""

from dataclasses import dataclass

from llmdvfs.records.point import OperatingPoint


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be served, and what energy and GPUs cost."""

    rate_rps: float
    """Requests of the load a second, all year."""
    price_per_kwh: float
    co2_kg_per_kwh: float
    gpu_price_per_hour: float | None = None
    """None: not stated; then the price up to which a further GPU pays is told instead."""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """As many deployments as the demand needs, at one operating point; what is idle is on and draws idle power."""

    point: OperatingPoint
    num_deployments: int
    num_gpus: int
    busy_fraction: float
    """Share of the time that a deployment is at the measured load; the rest of it, it waits."""
    power_w: float
    """Mean, of all GPUs."""
    energy_kwh_per_year: float
    energy_cost_per_year: float
    co2_kg_per_year: float
    gpu_cost_per_year: float | None


@dataclass(frozen=True, slots=True)
class FleetComparison:
    """Stock against the recommended clocks, of one deployment at one load; None with a reason where it is not known."""

    deployment: str
    workload: str
    stock: Fleet | None
    recommended: Fleet | None
    text: str
    """What comes of it, in plain words."""


@dataclass(frozen=True, slots=True)
class FleetRecord:
    """The demand, and every load that has an answer."""

    demand: Demand
    comparisons: tuple[FleetComparison, ...]
