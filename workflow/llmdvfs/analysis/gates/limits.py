"""The limits of the validity gates, each with its reason (docs/metrics.md#gates)."""

from dataclasses import dataclass

from llmdvfs.records.gates import GateSettings


@dataclass(frozen=True, slots=True)
class GateLimits(GateSettings):
    """The values beyond which a gate fails: those of the configuration's key `gates`, and those that no study moves."""

    max_temperature_drift_c: float = 5.0
    """Leakage grows with temperature by some tenths of a percent a degree: five are about 1-2 %."""
    max_clock_error_mhz: float = 15.0
    """Core clock seen against core clock asked: one step of the clock grid."""
    min_achieved_rate_fraction: float = 0.95
    """Rate of answers over the offered rate: below it the queue grows, and latency says how long the run was."""
    max_lateness_s: float = 0.005
    """p99 of (sent - scheduled): above it the client and not the server shapes the arrivals ..."""
    max_lateness_of_ttft_fraction: float = 0.05
    """... unless it is small beside the median TTFT."""
    max_recomputed_fraction: float = 0.05
    """Share of prompt tokens that decode computed itself: above it the two phases did not run apart ..."""
    max_recomputed_per_request: float = 1.0
    """... unless they are the one token a request that some connectors leave to decode."""
    after_load_s: float = 0.076
    """What it draws on when its last kernel has ended, in seconds of its idle power: a fitted one may be higher by it.

    MEASURED on an H100: 201 W at the next refresh, 131 W 0.1 s later, 122 W at rest from 0.25 s on, so at most
    79 W x 0.1 s + 9 W x 0.15 s = 9.3 J."""
    after_load_fraction: float = 0.65
    """Most that it draws on at any instant, of its idle power: 79 of 122 W, so that shorter waits allow no more."""
    max_still_drawn_fraction: float = 0.25
    """Where it may draw on more than this on average (waits below 0.3 s), a fitted idle power above rest is not judged:
    it may be that, or what the fit has taken from a neighbouring phase."""
    min_split_stretch_s: float = 0.025
    """A sample sees so long: of phases that come in shorter stretches it always sees a neighbour too."""
    max_split_disagreement_fraction: float = 0.05
    """Powers of phases by the counter's regression and by the driver's samples: two sensors with windows of their own
    see one load."""
    max_steps_told_beyond_fraction: float = 0.03
    """More steps told than the engine counted by so much are no coincidence: 64 % more were, where the tokens of 64
    streams were taken for several steps."""
