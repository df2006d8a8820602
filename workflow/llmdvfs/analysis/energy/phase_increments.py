"""Energy increments of a role's devices beside the phases that they fell into: the rows of the phase regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.occupancy import Occupancy
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.spec import Phase


@dataclass(frozen=True, slots=True)
class PhaseIncrements:
    """Increments of one device after another, each device's sorted by time."""

    begin_s: Floats
    end_s: Floats
    energy_j: Floats
    occupancy: Occupancy
    phases: tuple[Phase, ...]
    poll_interval_s: float
    """How often the sensor was read."""

    @property
    def length_s(self) -> Floats:
        """Return the length of each increment."""
        return self.end_s - self.begin_s

    @property
    def follows(self) -> npt.NDArray[np.bool_]:
        """Return whether each increment begins with the refresh that ends the one before it in the list."""
        return np.concatenate(([False], self.begin_s[1:] == self.end_s[:-1]))

    def seconds(self, lag_s: float) -> Floats:
        """Return the seconds in each phase, shape (increments, phases), if the readings trail the phases by the lag."""
        columns = [
            self.occupancy.seconds_before(phase, self.end_s - lag_s)
            - self.occupancy.seconds_before(phase, self.begin_s - lag_s)
            for phase in self.phases
        ]
        return np.stack(columns, axis=1)


def phase_increments(
    curves: Sequence[EnergyCurve], occupancy: Occupancy, phases: tuple[Phase, ...], window_s: tuple[float, float]
) -> PhaseIncrements:
    """Return the increments of all devices inside the window."""
    found = [curve.increments(*window_s) for curve in curves]
    return PhaseIncrements(
        begin_s=np.concatenate([i.begin_s for i in found]),
        end_s=np.concatenate([i.end_s for i in found]),
        energy_j=np.concatenate([i.energy_j for i in found]),
        occupancy=occupancy,
        phases=phases,
        poll_interval_s=max(float(np.median(np.diff(curve.poll_s))) for curve in curves),
    )
