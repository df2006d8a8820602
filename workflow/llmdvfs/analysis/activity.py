"""How busy SMs, tensor cores and DRAM of a role's GPUs were in each phase, and HBM power (docs/metrics.md#activity)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Level, Occupancy, occupancy_of
from llmdvfs.analysis.sensors import Floats
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.readings import DeviceReadings, Readings
from llmdvfs.records.result import ActivityBound, RoleActivity
from llmdvfs.records.spec import DeviceRole, Phase

FRACTIONS = ("sm_active_fraction", "tensor_active_fraction", "dram_active_fraction")
MEMORY_POWER = "memory_power_w"
MEMORY_POWER_WINDOW_S = 1.0  # the sensor averages over about so long

LAGS_S = (0.0, 0.05, 0.1)
"""Behind a reading are counters that were refreshed up to 100 ms before it; nobody says when."""

MAX_SPREAD_FRACTION = 0.05  # of activity over these lags: more, and the phases are too short for such readings
MAX_SPREAD_OF_POWER = 0.1  # relative, of HBM power
MIN_OCCUPANCY_S = 1.0
MAX_CONDITION_NUMBER = 30.0  # as for energies: Belsley's limit
BOUND_FRACTION = 0.5  # a part that works less than half of the time is not what the phase waits for


@dataclass(frozen=True, slots=True)
class _Means:
    """Readings of one quantity from all devices of a role; each is a mean over [begin, end]."""

    begin_s: Floats
    end_s: Floats
    value: Floats


def role_activities(readings: Readings, phases: PhasesRecord, *, started_mono_ns: int) -> tuple[RoleActivity, ...]:
    """Return the activity of each role's GPUs over the window (phase None), then in each of its phases.

    readings: of all devices. phases: the cell's. Values are means over the role's devices; what cannot be told is None.
    Empty where no device of a role tells any of it.
    """
    found: list[RoleActivity] = []
    for role in dict.fromkeys(phases.device_roles.values()):
        devices = [device for device, its_role in phases.device_roles.items() if its_role == role]
        found += _of_role(role, [readings.of(device) for device in devices], phases, started_mono_ns)
    return tuple(found)


def bound_by(tensor_fraction: float | None, dram_fraction: float | None) -> ActivityBound | None:
    """Return which part of the GPU works most of the time, `neither` where none does; None where it is not known.

    Both fractions are of time or of bandwidth, from 0 to 1.
    """
    if tensor_fraction is None or dram_fraction is None:
        return None
    if max(tensor_fraction, dram_fraction) < BOUND_FRACTION:
        return "neither"
    return "memory" if dram_fraction > tensor_fraction else "compute"


def _of_role(
    role: DeviceRole, readings: Sequence[DeviceReadings], phases: PhasesRecord, started_mono_ns: int
) -> list[RoleActivity]:
    window_s = (phases.window_begin_s, phases.window_end_s)
    means = {name: _means(readings, name, started_mono_ns, window_s) for name in (*FRACTIONS, MEMORY_POWER)}
    if not any(len(own.value) for own in means.values()):
        return []
    occupancy = occupancy_of(phases, role)
    lasted = [p for p in PHASES if occupancy.seconds_between(p, *window_s) > 0 and role not in phases.clock_untold]
    split = {
        name: _by_phase(own, occupancy, lasted, window_s, relative=name == MEMORY_POWER) for name, own in means.items()
    }
    whole = {name: fmean(own.value) if len(own.value) else None for name, own in means.items()}
    rows = [_row(role, None, whole, None)]
    for phase in lasted:
        values = {name: split[name].get(phase) for name in means}
        batch = mean_batch(phases, role, window_s) if phase == "decode" else None
        rows.append(_row(role, phase, values, batch))
    return rows


def _row(role: DeviceRole, phase: Phase | None, values: dict[str, float | None], batch: float | None) -> RoleActivity:
    sm, tensor, dram = (values[name] for name in FRACTIONS)
    return RoleActivity(role, phase, sm, tensor, dram, values[MEMORY_POWER], bound_by(tensor, dram), batch)


def mean_batch(phases: PhasesRecord, role: DeviceRole, window_s: tuple[float, float]) -> float | None:
    """Return the mean number of requests in a role's decode steps inside the window [s]; None: steps are not known."""
    decoding = [
        step
        for step in phases.steps
        if step.role == role and step.phase == "decode" and window_s[0] <= step.begin_s < window_s[1]
    ]
    num_steps = sum(step.num_steps for step in decoding)
    return sum(step.num_steps * step.num_decoding for step in decoding) / num_steps if num_steps else None


def _means(
    readings: Iterable[DeviceReadings], name: str, started_mono_ns: int, window_s: tuple[float, float]
) -> _Means:
    """Return the readings of a quantity whose time lies in the window."""
    parts = [np.empty((3, 0))]
    for own in readings:
        column = own.column(name)
        begin_s, end_s = ((t[column.row] - started_mono_ns) / NS_PER_S for t in (own.begin_mono_ns, own.end_mono_ns))
        begin_s = begin_s - MEMORY_POWER_WINDOW_S if name == MEMORY_POWER else begin_s
        counted = (window_s[0] <= begin_s) & (end_s <= window_s[1]) & ~np.isnan(column.value)
        parts.append(np.stack([begin_s, end_s, column.value])[:, counted])
    return _Means(*np.concatenate(parts, axis=1))


def _by_phase(
    means: _Means, occupancy: Occupancy, phases: Sequence[Phase], window_s: tuple[float, float], *, relative: bool
) -> dict[Phase, float]:
    """Return the mean in each phase that can be told: least squares of the readings on the phases' shares of them.

    A phase is left out where it lasted too short, always came together with others, or where the counters' unknown lag
    would change the answer.
    """
    from scipy.optimize import nnls  # a third of a second: most machines tell no activity

    told = [p for p in phases if occupancy.seconds_between(p, *window_s) >= MIN_OCCUPANCY_S]
    if len(means.value) < 2 * len(phases) or not told:
        return {}
    fits = []
    for lag_s in LAGS_S:
        shares = np.stack([_shares(occupancy, p, means.begin_s - lag_s, means.end_s - lag_s) for p in phases], axis=1)
        sizes = np.linalg.norm(shares, axis=0)
        if (sizes == 0).any() or np.linalg.cond(shares / sizes) > MAX_CONDITION_NUMBER:
            return {}
        fits.append(nnls(shares, means.value)[0])
    low, middle, high = np.min(fits, axis=0), fits[len(fits) // 2], np.max(fits, axis=0)
    limit = MAX_SPREAD_OF_POWER * middle if relative else np.full(len(phases), MAX_SPREAD_FRACTION)
    return {p: float(middle[i]) for i, p in enumerate(phases) if p in told and high[i] - low[i] <= limit[i]}


def _shares(occupancy: Occupancy, phase: Phase, begin_s: Floats, end_s: Floats) -> Floats:
    """Return which share of each stretch the role was in the phase."""
    level = Level(phase)
    at_edges = occupancy.seconds_at_edges(level) if len(occupancy.edge_s) else None
    seconds = occupancy.seconds_before(level, end_s, at_edges) - occupancy.seconds_before(level, begin_s, at_edges)
    shares: Floats = seconds / (end_s - begin_s)
    return shares
