"""The limits of validity gates that a study may move: the configuration's key `gates` (docs/metrics.md#gates)."""

from dataclasses import dataclass
from typing import Annotated

from llmdvfs.records.allowed import Allowed, Fraction

Share = Annotated[float, Allowed(minimum=0)]


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Values beyond which a gate fails, each with its reason; those that no study moves are in analysis/gates."""

    min_window_s: Annotated[float, Allowed(minimum=0)] = 5.0
    """Shortest measured window: NVML's counter is noisy over less than 2 s and stable from 5 s
    (docs/energy.md#sensors)."""
    max_disagreement_fraction: Share = 0.03
    """Largest disagreement of energy counter and integrated power: where two sensors of one board part by more, they
    were not read well, or one of them is wrong."""
    max_missed_fraction: Fraction = 0.01
    """Largest share of missed telemetry slots: with more, the sampler was starved when the load was highest, which
    biases the integral."""
    max_others_cpu_fraction: Fraction = 0.1
    """Largest share of the host's CPUs that others may take under load: with more, servers and client wait for a CPU
    now and then."""
    max_client_error_fraction: Share = 0.1
    """Largest error of the client, calibrated at the cell's load, relative to what it measured: a tenth still tells
    apart what users would notice."""
    min_window_per_e2e_p99: Annotated[float, Allowed(minimum=0)] = 2.0
    """Shortest measured window, as a multiple of the p99 of E2E: below it, more than half of the slowest requests' time
    lies outside the load."""
    max_idle_disagreement_fraction: Share = 0.03
    """Largest disagreement of the power fitted for the idle phase and the idle power measured, but for what follows a
    load: idle is the phase whose power is known without the fit."""
    min_phase_power_of_idle: Share = 0.97
    """Lowest power fitted for a phase, as a multiple of the idle power measured: no phase draws less than a device at
    rest, except for the noise of both."""
    max_phase_power_of_limit: Share = 1.35
    """Highest power fitted for a phase, as a multiple of the power limit: the limit holds on average, and the edge of a
    load exceeds it for some milliseconds."""
    max_phase_sum_disagreement_fraction: Share = 0.01
    """Largest disagreement of the sum of a role's phases and its energy: they part only in the increments at the
    window's two ends."""
    max_condition_number: Annotated[float, Allowed(minimum=1)] = 30.0
    """Condition number above which phase energies are called not identifiable (collinearity does harm, by Belsley, with
    columns scaled to unit length)."""
