"""What the cells of a point say besides energy and time: memory, idle, goodput, and how far to trust it."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean

from llmdvfs.records.answers import PointDetails
from llmdvfs.records.result import CellResult, DeviceEnergy, EnergyResult

Unit = Callable[[EnergyResult], float | None]
"""A cell's energy per unit of the answer."""


def details(cells: Sequence[CellResult], energy_per_unit: Unit, idle_at_point_w: float | None = None) -> PointDetails:
    """Return the means over a point's cells; a quantity that one of them lacks is None.

    energy_per_unit: returns a cell's energy per unit of the answer. idle_at_point_w: power of the deployment held at
    the point without load; None: not measured there, as the idle windows of points under one load are at stock.
    """
    failed = Counter(gate.name for cell in cells for gate in cell.gates if gate.status == "failed")
    return PointDetails(
        num_cells=len(cells),
        failed_gates=dict(sorted(failed.items())),
        memory_energy_j=_mean([_part(energy_per_unit(cell.energy), _memory_share(cell.energy)) for cell in cells]),
        idle_energy_j=_mean([_part(energy_per_unit(cell.energy), _idle_share(cell.energy)) for cell in cells]),
        power_w=_mean([cell.energy.mean_power_w for cell in cells]),
        idle_power_w=_mean([idle_power_w(cell) for cell in cells]),
        idle_at_point_w=idle_at_point_w,
        request_rate_rps=_mean([cell.throughput.request_rate_rps for cell in cells]),
        goodput_rps=_mean([cell.throughput.goodput_rps for cell in cells]),
        slo_attainment_fraction=_mean([cell.throughput.slo_attainment_fraction for cell in cells]),
    )


def idle_power_w(cell: CellResult) -> float | None:
    """Return what the devices of a cell's deployment draw in its idle windows; None where one of them told nothing."""
    return _sum_of_devices(cell.energy, lambda device: device.idle_power_w)


def _memory_share(energy: EnergyResult) -> float | None:
    """Return the memory's share of the serving devices' mean power."""
    return _ratio(
        _sum_of_devices(energy, lambda device: device.memory_power_w),
        _sum_of_devices(energy, lambda device: device.mean_power_w),
    )


def _idle_share(energy: EnergyResult) -> float | None:
    """Return the share of the energy that the loaded-idle power alone makes over the window."""
    share = _ratio(energy.net_j, energy.gross_j)
    return None if share is None else 1 - share


def _sum_of_devices(energy: EnergyResult, quantity: Callable[[DeviceEnergy], float | None]) -> float | None:
    """Return the sum over the devices that serve; None where one of them lacks it, or there is none."""
    values = [quantity(device) for device in energy.devices if device.role is not None]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _part(whole: float | None, share: float | None) -> float | None:
    return None if whole is None or share is None else whole * share


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
