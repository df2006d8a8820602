"""Gate: the engine's steps as the stamps tell them, against its own count (docs/metrics.md#steps)."""

from collections.abc import Sequence

from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.records.result import Gate, StepCount


def steps_as_counted(counts: Sequence[StepCount], limits: GateLimits) -> Gate:
    """Judge whether more steps were told of a role's engine than it made: tokens of one step then counted as several.

    Fewer are no fault: the engine counts the warm-up's too, and prefills whose answers come together are told as one.
    """
    name = "steps_as_counted"
    expected = f"at most {1 + limits.max_steps_told_beyond_fraction:.2f} times as many steps told as the engine counted"
    judged = [(count.role, count.num_told, count.num_counted) for count in counts if count.num_counted]
    if not judged:
        return not_applicable(name, "the engine does not count its steps, or none were told", expected=expected)
    return verdict(
        name,
        all(told <= counted * (1 + limits.max_steps_told_beyond_fraction) for _, told, counted in judged),
        seen=", ".join(f"{role} {told:,} told, {counted:,.0f} counted" for role, told, counted in judged),
        expected=expected,
        remedy="do not trust energies by phase: the server writes the tokens of one step too far apart in time",
    )
