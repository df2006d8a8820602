"""Operating points: what a study asks of its GPUs, and what became of that. Everybody who wants to know asks here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

PointState = Literal["stock", "applied", "not_permitted", "refused", "failed"]
"""stock: nothing was asked and nothing touched. applied: set, and read back where the driver has a way to.
not_permitted: this process may not set it. refused: a GPU had to be left alone (changed by somebody else, MIG,
another run).
failed: the driver took a part of it and refused another; what had been set was undone.
In all but `applied` the GPUs ran as they were found."""


How = Literal["nvml", "zeusd", "sudo_nvidia_smi"]
"""Who set it: this process through the driver, the daemon zeusd, or NVIDIA's tool run by sudo."""


Quantity = Literal["sm_clock_mhz", "memory_clock_mhz", "power_limit_w", "sm_clock_min_mhz"]


def in_words(state: PointState) -> str:
    """Return the state as it stands in sentences and legends: `not permitted` for `not_permitted`."""
    return state.replace("_", " ")


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What is asked: core clock, memory clock and power limit by role; an empty point asks for nothing (stock)."""

    id: str
    sm_clock_mhz: dict[str, int] = field(default_factory=dict)
    memory_clock_mhz: dict[str, int] = field(default_factory=dict)
    power_limit_w: dict[str, float] = field(default_factory=dict)
    sm_clock_min_mhz: dict[str, int] = field(default_factory=dict)
    """Where a role's core clock may move below `sm_clock_mhz`, which is then a ceiling: down to here (0: as low as the
    GPU goes). Roles that are not named here are locked to `sm_clock_mhz`."""

    @property
    def asks_for_something(self) -> bool:
        """Whether any clock or limit is to be set; a point that asks for nothing is stock."""
        return bool(self.sm_clock_mhz or self.memory_clock_mhz or self.power_limit_w)

    def of_gpus(self, gpus_of_role: Mapping[str, Sequence[int]]) -> tuple["GpuSetting", ...]:
        """Return the setting of each GPU that the point asks something of; it leaves the others alone."""
        settings = (
            GpuSetting(
                index=index,
                sm_clock_mhz=self.sm_clock_mhz.get(role),
                memory_clock_mhz=self.memory_clock_mhz.get(role),
                power_limit_w=self.power_limit_w.get(role),
                role=role,
                sm_clock_min_mhz=self.sm_clock_min_mhz.get(role),
            )
            for role, indices in gpus_of_role.items()
            for index in indices
        )
        return tuple(setting for setting in settings if setting.changes_something)


@dataclass(frozen=True, slots=True)
class GpuSetting:
    """Clocks and power limit of one GPU; None leaves a setting as it is."""

    index: int
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    power_limit_w: float | None = None
    role: str | None = None
    """What the GPU computes for; None: not known."""
    sm_clock_min_mhz: int | None = None
    """Lower end of the core clock's range, whose upper end is `sm_clock_mhz`; None: locked to that one clock."""

    @property
    def sm_clock_range_mhz(self) -> tuple[int, int] | None:
        """Return the lowest and the highest core clock that the setting allows; None: it sets none."""
        if self.sm_clock_mhz is None:
            return None
        return (self.sm_clock_mhz if self.sm_clock_min_mhz is None else self.sm_clock_min_mhz), self.sm_clock_mhz

    @property
    def is_locked(self) -> bool:
        """Whether the core clock is held at one value, and does not move under a ceiling."""
        return self.sm_clock_mhz is not None and self.sm_clock_min_mhz is None

    @property
    def changes_something(self) -> bool:
        """Whether the setting changes a clock or the limit of its GPU."""
        return (self.sm_clock_mhz, self.memory_clock_mhz, self.power_limit_w) != (None, None, None)


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """One GPU as it was found before a cell, whatever the cell asked for; None: the driver does not tell."""

    index: int
    uuid: str
    name: str
    serial: str | None = None
    driver: str | None = None
    vbios: str | None = None
    persistence_mode: bool | None = None
    power_limit_w: float | None = None
    default_power_limit_w: float | None = None
    application_sm_clock_mhz: int | None = None
    default_application_sm_clock_mhz: int | None = None
    clocks_held: bool | None = None
    """Whether a locked or an application clock of somebody held the clock down."""

    @property
    def departs_from_stock(self) -> str | None:
        """Return in words what somebody has changed on the GPU before this project touched it; None: nothing seen."""
        seen = []
        limit, default = self.power_limit_w, self.default_power_limit_w
        if limit is not None and default is not None and limit != default:
            seen.append(f"power limit {limit:g} W (default {default:g} W)")
        clock, default_clock = self.application_sm_clock_mhz, self.default_application_sm_clock_mhz
        if clock is not None and default_clock is not None and clock != default_clock:
            seen.append(f"application clock {clock} MHz (default {default_clock} MHz)")
        if self.clocks_held:
            seen.append("clocks locked")
        return f"GPU {self.index}: {', '.join(seen)}" if seen else None


@dataclass(frozen=True, slots=True)
class AppliedPoint:
    """What became of an operating point in one cell: whether it was applied, with which settings, and if not why."""

    state: PointState
    settings: tuple[GpuSetting, ...] = ()
    """The settings as they were made, on the GPUs' own grid of clocks; empty unless the state is `applied`."""
    reason: str | None = None
    """Why it was not applied, in words; None where it was, and for stock."""
    before: tuple[GpuIdentity, ...] = ()
    """The deployment's GPUs before anything was touched; empty where there are none."""
    how: How | None = None
    """Who set it; None: nothing was set, or the run is older than this field."""

    @property
    def is_as_asked(self) -> bool:
        """Whether the cell ran at the point that its name says: stock at stock, a setting where it was applied."""
        return self.state in ("stock", "applied")

    @property
    def warning(self) -> str | None:
        """Return what a reader of the cell's numbers must know; None where the cell ran as it was asked."""
        return (
            None
            if self.is_as_asked
            else f"operating point {self.state}: {self.reason}; the cell was measured at stock clocks"
        )

    def by_role(self, quantity: Quantity) -> dict[str, float]:
        """Return the applied value of one quantity by role; roles that were left alone are not among them."""
        return {
            setting.role: value
            for setting in self.settings
            if setting.role is not None and (value := getattr(setting, quantity)) is not None
        }
