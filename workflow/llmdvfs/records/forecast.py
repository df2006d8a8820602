"""What a study is thought to take before it runs, and what it may take: what `plan` prints."""

from dataclasses import dataclass
from typing import Annotated

from llmdvfs.records.allowed import NO_KEY, Allowed

S_PER_H = 3600.0
J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a study may take as a whole, what is measured already included; None: not limited."""

    gpu_hours: Annotated[float | None, Allowed(above=0)] = None
    """GPU hours, with the starts of servers; null is no limit."""
    kwh: Annotated[float | None, Allowed(above=0)] = None
    """Energy of the GPUs; null is no limit."""
    is_confirmed: Annotated[bool, NO_KEY] = False
    """A forecast above it is not refused (`over_budget: true`)."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a number of cells takes, the starts of their servers included."""

    num_cells: int
    num_launches: int
    wall_s: float
    """Of measuring; what is analysed and drawn afterwards is not in it."""
    gpu_s: float
    """GPUs times the time for which servers hold them."""
    energy_j: float | None
    """Of the GPUs (or of the CPU, where it is measured); None: nothing tells the power of all cells."""
    disk_bytes: float

    @property
    def gpu_h(self) -> float:
        """Return the GPU hours."""
        return self.gpu_s / S_PER_H

    @property
    def energy_kwh(self) -> float | None:
        """Return the energy in kWh; None: not known."""
        return None if self.energy_j is None else self.energy_j / J_PER_KWH


@dataclass(frozen=True, slots=True)
class DeploymentForecast:
    """One deployment of the study."""

    deployment: str
    num_gpus: int
    missing: Amounts
    whole: Amounts


@dataclass(frozen=True, slots=True)
class Forecast:
    """A study before it runs."""

    missing: Amounts
    """What is still to be measured ..."""
    whole: Amounts
    """... and all of it, as if nothing were."""
    deployments: tuple[DeploymentForecast, ...]
    assumptions: tuple[str, ...]
    """What no earlier measurement of this results folder tells, in sentences."""
    budget: Budget
    over: tuple[str, ...]
    """Sentences: where the whole study is above its budget, or its budget cannot be checked."""
