"""Energy of a phase, where it may be divided by the tokens that the phase made (docs/metrics.md#comparison)."""

from collections.abc import Iterable

from llmdvfs.records.result import PhaseEnergy
from llmdvfs.records.spec import Phase

MAX_MIXED_FRACTION = 0.01  # of the phase's time: so much of its tokens' energy may be told under another name


def undivided_energy_j(phases: Iterable[PhaseEnergy], phase: Phase) -> float | None:
    """Return the energy of a phase over all roles [J], if all of the phase's work is in it.

    None where the phase did not occur, or a role's part of it is null. None too where steps did prefill and decode at
    once for longer than MAX_MIXED_FRACTION of the phase's time: a part of the tokens' energy is then in `mixed`, and
    nothing splits it.
    """
    every = list(phases)
    own = [part for part in every if part.phase == phase]
    known_j = [part.energy_j.value for part in own if part.energy_j.value is not None]
    mixed_s = sum(part.occupancy_s for part in every if part.phase == "mixed")
    if len(known_j) < len(own) or mixed_s > MAX_MIXED_FRACTION * sum(part.occupancy_s for part in own):
        return None
    return sum(known_j) if own else None
