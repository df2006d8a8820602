"""What is recorded of a cell that was a step of a sweep: its point was set while the load went on."""

from dataclasses import dataclass, field

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.point import OperatingPoint

CLOCK_STEP_MHZ = 15
CAPPED_FRACTION = 0.1  # share of readings: a burst reaches the limit now and then without being held down by it
CAPPED_BY = ("power cap", "hardware slowdown", "software thermal", "hardware thermal", "power brake")


@dataclass(frozen=True, slots=True)
class RoleProbe:
    """What the GPUs of one role did at stock under the load; None: not read."""

    sm_clock_p50_mhz: float | None
    sm_clock_p10_mhz: float | None
    power_w: float | None
    """Mean power of one GPU of the role, as `idle_power_w` is."""
    idle_power_w: float | None
    clock_event_fraction: dict[str, float] = field(default_factory=dict)
    """Reason -> share of the readings in which it held the clock down."""
    sm_clocks_mhz: tuple[int, ...] = ()
    """Core clocks that every GPU of the role supports, rising; empty: the driver does not tell."""


@dataclass(frozen=True, slots=True)
class StockProbe:
    """Which clock the load lets each role hold, seen at stock before the other points of a sweep."""

    begin_mono_ns: int
    end_mono_ns: int
    roles: dict[str, RoleProbe]
    """What was seen, by role; empty without GPUs."""

    def cap_bound(self, point: OperatingPoint) -> tuple[str, ...]:
        """Return the reason why the load cannot hold a role's clock at this point, for each such role; mostly none.

        A GPU that ran below its highest clock at stock, and was held down in a tenth of the readings by its power limit
        or by heat, is held down there as well where more is asked.
        """
        reasons = []
        for role, asked_mhz in point.sm_clock_mhz.items():
            seen = self.roles.get(role)
            if seen is None or seen.sm_clock_p50_mhz is None:
                continue
            capped = {why: share for why, share in seen.clock_event_fraction.items() if why in CAPPED_BY}
            if asked_mhz > seen.sm_clock_p50_mhz + CLOCK_STEP_MHZ and max(capped.values(), default=0) > CAPPED_FRACTION:
                why = max(capped, key=lambda name: capped[name])
                reasons.append(
                    f"{role}: {asked_mhz} MHz asked, stock holds {seen.sm_clock_p50_mhz:.0f} MHz under this load "
                    f"({why} in {capped[why]:.0%} of the readings)"
                )
        return tuple(reasons)


@dataclass(frozen=True, slots=True)
class UnderLoad:
    """One step of a sweep: enter the point, settle, measure a window, hold until its requests have ended, leave."""

    sweep: str
    """Random id; steps with equal ids shared one sampler, client and load."""
    step: int
    """Position in the sweep, from 0."""
    entered_mono_ns: int
    """When the point was set: the cell's `started_mono_ns`."""
    window_mono_ns: tuple[int, int]
    """Begin and end of what was measured; the time from the entry to its begin is the settling."""
    is_settled: bool
    """Whether power, clock and rate were level when the window began; False: it began at the limit for settling."""
    settled_by: str
    """What was seen of power, clock and rate then, in words."""
    left_mono_ns: int
    has_held_all: bool
    """Whether the point was held until the last request scheduled in the window had ended; False: until the limit for
    that."""
    idle_mono_ns: tuple[tuple[int, int], ...] = ()
    """Loaded-idle windows before and after the whole sweep; their readings are in idle_telemetry.jsonl."""
    idle_at_point_w: dict[str, float] = field(default_factory=dict)
    """Device id -> mean power at the step's point before the load began; empty: not measured at this point."""
    probe: StockProbe | None = None
    cap_bound: tuple[str, ...] = ()
    """Why the load cannot hold the point's clocks, by the probe at stock; empty: it can, or that is not known."""
    measured_fraction: float | None = None
    """Share of the sweep, from the begin of its first idle window to the end of its last, in the windows of its steps;
    None: it did not come to its end."""

    @property
    def settle_s(self) -> float:
        """Return how long the step waited for its window."""
        return (self.window_mono_ns[0] - self.entered_mono_ns) / NS_PER_S
