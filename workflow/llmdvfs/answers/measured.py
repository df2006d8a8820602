"""Which energy and which time of a cell an answer is about: the two that a clock trades against each other."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from llmdvfs.answers.observation import Observation
from llmdvfs.records.result import CellResult, EnergyResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import Phase

NOT_HELD_FRACTION = 0.02  # a GPU's step is 15 MHz, 1.5 % at 1000 MHz; more below the asked clock is another clock

EnergyPer = Literal["prompt_token", "output_token", "request"]
TimeOf = Literal["ttft_mean", "tpot_mean", "e2e_mean"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the energy of a load is divided by, and which time is compared."""

    phase: Phase
    energy_per: EnergyPer
    time_of: TimeOf


PREFILL = Terms("prefill", "prompt_token", "ttft_mean")
DECODE = Terms("decode", "output_token", "tpot_mean")
MIXED = Terms("mixed", "request", "e2e_mean")


def terms_of(run: RunRecord) -> Terms:
    """Return the terms of a load: those of a phase only where the load isolates it, else those of whole requests.

    Where both phases are in progress at once, the energy attributed to each is not taken: it is a regression, not a
    measurement.
    """
    return {"prefill": PREFILL, "decode": DECODE, None: MIXED}[run.workload.isolates]


def energy_of_unit(terms: Terms, energy: EnergyResult) -> float | None:
    """Return a cell's energy per unit of the terms [J]; None: not measured."""
    value: float | None = getattr(energy, f"energy_per_{terms.energy_per}_j")
    return value


def observation(result: CellResult, run: RunRecord) -> Observation | None:
    """Return the cell as an observation; None where it has no energy or no time."""
    terms = terms_of(run)
    energy_j = energy_of_unit(terms, result.energy)
    latency = {"ttft_mean": result.latency.ttft_s, "tpot_mean": result.latency.tpot_s, "e2e_mean": result.latency.e2e_s}
    time_s = latency[terms.time_of].mean
    if not energy_j or not time_s or energy_j < 0:
        return None
    p99 = {"ttft_s": result.latency.ttft_s.p99, "tpot_s": result.latency.tpot_s.p99, "e2e_s": result.latency.e2e_s.p99}
    return Observation(
        point=run.point.id,
        launch=result.cell.launch,
        energy_j=energy_j,
        time_s=time_s,
        is_stock=not run.point.asks_for_something,
        order=run.order_in_launch,
        latencies_s={name: value for name, value in p99.items() if value is not None},
    )


def held_clocks(results: Iterable[CellResult]) -> dict[str, float]:
    """Return role -> mean core clock [MHz] that its GPUs ran at, over all cells of a point."""
    seen: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for device in result.energy.devices:
            if device.role is not None and device.sm_clock_mhz.mean is not None:
                seen[device.role].append(device.sm_clock_mhz.mean)
    return {role: sum(clocks) / len(clocks) for role, clocks in sorted(seen.items())}


def is_held(asked_mhz: float, held_mhz: float | None) -> bool:
    """Return whether a role ran at the clock that was asked of it; where no GPU tells its clock, it is taken to."""
    return held_mhz is None or held_mhz >= asked_mhz * (1 - NOT_HELD_FRACTION)
