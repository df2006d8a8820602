"""Draws panels that share one cell's time axis: phases, power, clocks, utilisation, requests in flight, energy."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.figures.parts.curves import Curve, energy_curve, power_curve, quantity_curve, summed, together
from llmdvfs.figures.parts.limits import from_zero
from llmdvfs.figures.parts.note import NO_POWER_DATA, draw_note
from llmdvfs.figures.parts.phase_spans import SHADE_ALPHA, draw_spans, num_in_phases, phase_fill, phase_spans
from llmdvfs.figures.parts.style import BLACK, LINES, PHASES, ROLES, Look
from llmdvfs.figures.parts.thinning import thinned
from llmdvfs.records.phases import PhaseInterval

MAX_LINES = 3  # devices of one role that can be told apart as lines of one colour
TIME_LABEL = "Time since the cell's start (s)"
CLOCK_COLUMNS = ("sm_clock_mhz", "cpu_clock_mhz")
WINDOW_BAR: dict[str, Any] = {"color": BLACK, "linewidth": 2.0, "solid_capstyle": "butt"}
UTILISATION_COLUMNS = ("gpu_utilisation_fraction", "cpu_utilisation_fraction")


def draw_lanes(axes: Axes, cell: MeasuredCell) -> None:
    """Draw which phase each role was in, a lane a role and one for transfers, with the measured window on top."""
    lanes = cell_lanes(cell)
    height = 1 / (len(lanes) + 0.5)
    for number, intervals in enumerate(lanes.values()):
        draw_spans(axes, phase_spans(intervals), 1 - (number + 1.42) * height, 0.84 * height)
    axes.plot(
        [cell.phases.window_begin_s, cell.phases.window_end_s],
        [1 - 0.2 * height] * 2,
        **WINDOW_BAR,
    )
    axes.set_ylim(0, 1)
    axes.set_yticks([1 - (number + 1) * height for number in range(len(lanes))], list(lanes))
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(False)


def lane_legend(cell: MeasuredCell) -> list[Artist]:
    """Return the legend of the phases that occur in the cell, and of the window's bar."""
    seen = {phase for intervals in cell_lanes(cell).values() for phase in phase_spans(intervals)}
    if roles_with_devices(cell) == [None]:  # panels are shaded with the deployment's phases, which may be mixed
        seen |= set(phase_spans(cell.phases.intervals))
    phases = [Patch(label=phase, linewidth=0, **phase_fill(phase)) for phase in (*PHASES, "mixed") if phase in seen]
    return [Line2D([], [], label="window", **WINDOW_BAR), *phases]


def device_legend(panels: Iterable[Axes]) -> list[Artist]:
    """Return the legend of the devices that are lines in any of the panels, each once."""
    found = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    return [*found.values()]


def draw_power(axes: Axes, cell: MeasuredCell, role: str | None = None) -> None:
    """Draw the power of each device of the role (None: of all, and their sum), shaded with the role's phases."""
    curves = _device_curves(cell, role, power_curve)
    _draw_devices(axes, cell, curves)
    serving = [curve for device, curve in curves.items() if device in cell.phases.device_roles]
    if 1 < len(serving) <= MAX_LINES and role is None:  # that of more would leave a single one no height
        axes.plot(*thinned(*summed(serving)), color=BLACK, linewidth=0.8, label=f"sum of {len(serving)}")
    shade(axes, cell, role)
    axes.set_ylabel(f"Power,\n{role} (W)" if role else "Power (W)")
    from_zero(axes)


def draw_clock(axes: Axes, cell: MeasuredCell, role: str | None = None) -> None:
    """Draw the core clock of every device."""
    _draw_devices(axes, cell, _device_curves(cell, role, _first_of(CLOCK_COLUMNS)))
    axes.set_ylabel("Core clock\n(MHz)")
    from_zero(axes)


def draw_utilisation(axes: Axes, cell: MeasuredCell, role: str | None = None) -> None:
    """Draw the utilisation of every device in percent."""
    curves = _device_curves(cell, role, _first_of(UTILISATION_COLUMNS))
    _draw_devices(axes, cell, {device: (t_s, 100 * fraction) for device, (t_s, fraction) in curves.items()})
    if roles_with_devices(cell) == [None]:
        shade(axes, cell)
    axes.set_ylabel("Utilisation\n(%)")
    axes.set_ylim(0, 105)


def draw_in_flight(axes: Axes, cell: MeasuredCell) -> None:
    """Draw how many requests are in each phase, one on top of the other."""
    t_s, counts = num_in_phases(cell.phases.intervals)
    t_s, *tops = thinned(t_s, *np.cumsum([*counts.values()], axis=0))
    for phase, below, top in zip(counts, [np.zeros(len(t_s)), *tops], tops, strict=False):
        axes.fill_between(t_s, below, top, step="post", linewidth=0, rasterized=True, **phase_fill(phase))
    axes.set_ylabel("Requests\nin flight")
    from_zero(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def draw_energy(axes: Axes, cell: MeasuredCell) -> None:
    """Draw each device's energy since the cell's start, and the sum of the serving ones; it never falls."""
    curves = _device_curves(cell, None, energy_curve)
    if not curves:
        draw_note(axes, NO_POWER_DATA)
        return
    _draw_devices(axes, cell, curves)
    serving = [curve for device, curve in curves.items() if device in cell.phases.device_roles]
    if len(serving) > 1:
        axes.plot(*thinned(*summed(serving)), color=BLACK, linewidth=0.8, label=f"sum of {len(serving)}")
    axes.set_ylabel("Energy so far\n(J)")
    from_zero(axes)


def shade(axes: Axes, cell: MeasuredCell, role: str | None = None) -> None:
    """Shade the panel with the phases of one role, or (None) of the deployment."""
    intervals = cell.phases.intervals if role is None else _of_role(cell, role)
    draw_spans(axes, phase_spans(intervals), alpha=SHADE_ALPHA)


def time_limits(cell: MeasuredCell) -> tuple[float, float]:
    """Return from the cell's start to the last reading [s], and at least to the end of the load."""
    return 0.0, max(cell.timeline["t_s"].max(), cell.phases.load_end_s)


def has_power(cell: MeasuredCell) -> bool:
    """Return whether power or energy was read of any device of the cell."""
    return bool(_device_curves(cell, None, power_curve))


def cell_lanes(cell: MeasuredCell) -> dict[str, list[PhaseInterval]]:
    """Return role -> its computing phases, and apart from them the transfers between roles."""
    computed = [interval for interval in cell.phases.intervals if interval.phase != "transfer"]
    lanes = {role: [interval for interval in computed if interval.role == role] for role in cell_roles(cell)}
    transfers = [interval for interval in cell.phases.intervals if interval.phase == "transfer"]
    return lanes | ({"KV transfer": transfers} if transfers else {})


def cell_roles(cell: MeasuredCell) -> list[str]:
    """Return the roles of the cell's deployment in the order in which a request meets them."""
    return [role for role in ROLES if role in {interval.role for interval in cell.phases.intervals}]


def roles_with_devices(cell: MeasuredCell) -> list[str | None]:
    """Return the roles that have devices of their own; [None] where one device, the host's CPU, serves them all."""
    roles = [role for role in cell_roles(cell) if role in cell.phases.device_roles.values()]
    return [*roles] if len(roles) > 1 else [None]


def _of_role(cell: MeasuredCell, role: str) -> list[PhaseInterval]:
    return [interval for interval in cell.phases.intervals if interval.role == role]


def _device_curves(cell: MeasuredCell, role: str | None, curve_of: Callable[..., Curve | None]) -> dict[str, Curve]:
    roles = cell.phases.device_roles
    devices = [d.device_id for d in cell.header.devices if role is None or roles.get(d.device_id) == role]
    found = ((device, curve_of(cell.timeline, device)) for device in devices)
    return {device: curve for device, curve in found if curve is not None}


def _first_of(columns: Sequence[str]) -> Callable[..., Curve | None]:
    def curve_of(timeline: pd.DataFrame, device: str) -> Curve | None:
        return next((curve for column in columns if (curve := quantity_curve(timeline, device, column))), None)

    return curve_of


def _draw_devices(axes: Axes, cell: MeasuredCell, curves: dict[str, Curve]) -> None:
    """Draw a line a device, further devices of a role in further line styles; more than MAX_LINES of a role as one."""
    drawn: Counter[str] = Counter()
    kinds = {device.device_id: device.kind for device in cell.header.devices}
    by_role = defaultdict(list)
    for device in curves:
        if kinds[device] == "gpu":
            by_role[cell.phases.device_roles.get(device)].append(device)
    many = {role: devices for role, devices in by_role.items() if role is not None and len(devices) > MAX_LINES}
    for role, devices in many.items():
        _draw_many(axes, role, devices, [curves[device] for device in devices])
    for device in [device for device in curves if not any(device in devices for devices in many.values())]:
        curve = curves[device]
        look, label = _device_look(device, kinds[device], cell.phases.device_roles.get(device))
        line = LINES[drawn[look.colour] % len(LINES)] if drawn[look.colour] else look.line
        drawn[look.colour] += 1
        axes.plot(*thinned(*curve), color=look.colour, linestyle=line, label=label, linewidth=0.9)


def _draw_many(axes: Axes, role: str, devices: Sequence[str], curves: list[Curve]) -> None:
    """Draw the mean of many devices of a role, and the range from the lowest to the highest as a band around it."""
    look = ROLES.get(role, Look(BLACK, "", "-"))
    t_s, values = together(curves)
    t_s, low, high, mean = thinned(t_s, values.min(axis=0), values.max(axis=0), values.mean(axis=0))
    axes.fill_between(t_s, low, high, color=look.colour, alpha=0.35, linewidth=0)
    name = f"{devices[0]} ... {devices[-1].removeprefix('gpu')} ({role})"
    axes.plot(t_s, mean, color=look.colour, linestyle=look.line, label=name, linewidth=0.9)


def _device_look(device: str, kind: str, role: str | None) -> tuple[Look, str]:
    """Return a GPU's look by its role; what serves the whole host, or nobody, is black."""
    if role is None:
        return Look(BLACK, "", ":"), f"{device} (serves nobody)"
    if kind == "gpu" and role in ROLES:
        return ROLES[role], device if role == "single" else f"{device} ({role})"
    return Look(BLACK, "", "-"), device
