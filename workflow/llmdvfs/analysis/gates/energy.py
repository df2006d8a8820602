"""Gates on the energy of phases: what the regression says must agree with what was measured without it.

None of them needs a measurement of its own: idle power and power limit are recorded anyway, and a role's energy is a
difference of its counters. A phase that is null is not judged (docs/metrics.md#gates).
"""

from collections.abc import Iterable
from statistics import fmean

from llmdvfs.analysis.gates.devices import ServingDevices
from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.records.result import EnergyResult, Estimate, FineSplit, Gate, PhaseEnergy
from llmdvfs.records.spec import Phase

NOT_FITTED = "no phase has a fitted power"
WORKING: tuple[Phase, ...] = ("prefill", "decode", "mixed")
DOUBT = "doubt the split between phases (docs/energy.md); the role's total stands"


def fitted_idle_power(energy: EnergyResult, limits: GateLimits) -> Gate:
    """Judge whether the power fitted for the idle phase can be that of a device that waits.

    It cannot be less than the power at rest. It is more by what a GPU goes on drawing after its last kernel, which
    matters more the shorter the waits are. Where that may be more than a quarter of the idle power it hides what the
    gate looks for: a fit that is above rest and below what a GPU may go on drawing is not judged then; beyond it, or
    below rest, it fails.
    """
    name = "fitted_idle_power"
    tolerance = limits.max_idle_disagreement_fraction
    expected = f"no more than {tolerance:.0%} below the idle power measured, or above it and what follows a load"
    seen, verdicts = [], []
    for phase in _fitted(energy):
        measured_w = _idle_power_w(energy, phase.role)
        if phase.phase != "idle" or phase.power_w.value is None or not measured_w:
            continue
        fitted_w = phase.power_w.value
        still = _still_drawn_fraction(phase, limits)
        highest_w = min([measured_w * (1 + tolerance + still), *_working_w(energy, phase)])
        gaps = "" if phase.mean_stretch_s is None else f", waits of {phase.mean_stretch_s * 1e3:.0f} ms"
        between = f"{measured_w:.0f} W ({fitted_w / measured_w - 1:+.1%}, at most {highest_w:.0f} W{gaps})"
        seen.append(f"{phase.role} {fitted_w:.0f} W for {between}")
        if not (1 - tolerance) * measured_w <= fitted_w <= highest_w:
            verdicts.append("failed")
        elif fitted_w > measured_w * (1 + tolerance) and still > limits.max_still_drawn_fraction:
            verdicts.append("not_judged")
            seen[-1] += ", which a GPU may draw on after its last kernel: too short to judge"
        else:
            verdicts.append("passed")
    if "failed" not in verdicts and "passed" not in verdicts:
        why = "; ".join(seen) or "no idle phase has a fitted power beside a measured one"
        return not_applicable(name, why, expected=expected)
    return verdict(name, "failed" not in verdicts, seen="; ".join(seen), expected=expected, remedy=DOUBT)


def _still_drawn_fraction(idle: PhaseEnergy, limits: GateLimits) -> float:
    """Return what a GPU may draw on average over a wait beyond its power at rest, as a share of that."""
    if not idle.mean_stretch_s:
        return 0.0
    return min(limits.after_load_s / idle.mean_stretch_s, limits.after_load_fraction)


def _working_w(energy: EnergyResult, idle: PhaseEnergy) -> list[float]:
    """Return the powers fitted for the phases in which the role of this idle phase works."""
    powers_w = [p.power_w.value for p in _fitted(energy) if p.role == idle.role and p.phase in WORKING]
    return [power_w for power_w in powers_w if power_w is not None]


def fitted_phase_powers(energy: EnergyResult, serving: ServingDevices, limits: GateLimits) -> Gate:
    """Judge whether a device can draw the fitted powers: no less than at rest, no more than its limit allows.

    A bound that was not measured judges nothing; without either bound, the phases of a role are not judged.
    """
    name = "fitted_phase_powers"
    low, high = limits.min_phase_power_of_idle, limits.max_phase_power_of_limit
    expected = f"between {low:g} x measured idle and {high:g} x power limit"
    judged, beyond = 0, []
    for phase in _fitted(energy):
        power_w, idle_w = phase.power_w.value, _idle_power_w(energy, phase.role)
        limit_w = _power_limit_w(serving, phase.role)
        if power_w is None or (idle_w is None and limit_w is None):
            continue
        judged += 1
        if idle_w is not None and power_w < low * idle_w:
            beyond.append(f"{phase.role} {phase.phase} {power_w:.0f} W, idle {idle_w:.0f} W")
        if limit_w is not None and power_w > high * limit_w:
            beyond.append(f"{phase.role} {phase.phase} {power_w:.0f} W, limit {limit_w:.0f} W")
    if not judged:
        why = "neither idle power nor power limit is known" if any(_fitted(energy)) else NOT_FITTED
        return not_applicable(name, why, expected=expected)
    seen = ", ".join(beyond) or f"none of {judged} beyond"
    return verdict(name, not beyond, seen=seen, expected=expected, remedy=DOUBT)


def sum_of_phases(energy: EnergyResult, limits: GateLimits) -> Gate:
    """Judge whether the energies of a role's phases add up to its energy; not where one of them is null."""
    name = "sum_of_phases"
    expected = f"within {limits.max_phase_sum_disagreement_fraction:.0%} of each role's energy"
    seen, passed = [], True
    for role, measured_j in energy.by_role_j.items():
        parts_j = [phase.energy_j.value for phase in energy.phases if phase.role == role]
        known_j = [part for part in parts_j if part is not None]
        if not measured_j or not known_j or len(known_j) < len(parts_j):
            continue
        difference = sum(known_j) / measured_j - 1
        seen.append(f"{role} {sum(known_j):.1f} J for {measured_j:.1f} J ({difference:+.1%})")
        passed &= abs(difference) <= limits.max_phase_sum_disagreement_fraction
    if not seen:
        return not_applicable(name, "no role has an energy for each of its phases", expected=expected)
    remedy = f"{DOUBT}; a longer window makes the increments at its two ends matter less"
    return verdict(name, passed, seen=", ".join(seen), expected=expected, remedy=remedy)


def split_by_samples(energy: EnergyResult, limits: GateLimits) -> Gate:
    """Judge whether the regression on the counter splits a role as the driver's own power samples do.

    A role is judged where its samples see what the counter counts: their integrals agree, over the window and within
    it. Phases that only one of the two tells are not compared.
    """
    name, limit = "split_by_samples", limits.max_split_disagreement_fraction
    expected = f"powers of phases within {limit:.0%} of those by the driver's power samples, or both intervals overlap"
    seen, judged, passed = [], 0, True
    for fine in energy.fine:
        blind = _blind(fine, limits)
        if blind is not None:
            seen.append(f"{fine.role} not judged: {blind}")
            continue
        for phase in fine.phases:
            told = next((p for p in _fitted(energy) if (p.role, p.phase) == (fine.role, phase.phase)), None)
            if told is None or told.power_w.value is None or not phase.power_w.value or told.sensor == "power_samples":
                continue
            if told.mean_stretch_s is not None and told.mean_stretch_s < limits.min_split_stretch_s:
                seen.append(
                    f"{fine.role} {phase.phase} comes in {told.mean_stretch_s * 1e3:.0f} ms: too short to judge"
                )
                continue
            judged += 1
            difference = told.power_w.value / phase.power_w.value - 1
            seen.append(
                f"{fine.role} {phase.phase} {told.power_w.value:.0f} W for {phase.power_w.value:.0f} W "
                f"({difference:+.1%})"
            )
            passed &= abs(difference) <= limit or _overlap(told.power_w, phase.power_w)
    if not judged:
        why = "; ".join(seen) or "no power samples of the driver, or no phase that both tell"
        return not_applicable(name, why, expected=expected)
    return verdict(name, passed, seen="; ".join(seen), expected=expected, remedy=DOUBT)


def _blind(fine: FineSplit, limits: GateLimits) -> str | None:
    """Return why the samples of a role do not see what its counter counts; None: they do."""
    difference, aliasing = fine.counter_difference_fraction, fine.aliasing_fraction
    limit = limits.max_disagreement_fraction
    if difference is None or abs(difference) > limit:
        told = "unknown" if difference is None else f"{difference:+.1%}"
        return f"the samples' integral differs from the counter by {told}, limit {limit:.0%}"
    if aliasing is None or aliasing > limit:
        told = "unknown" if aliasing is None else f"{aliasing:.1%}"
        return f"from second to second samples and counter differ by {told}, limit {limit:.0%}: the load aliases"
    return None


def _overlap(one: Estimate, other: Estimate) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _fitted(energy: EnergyResult) -> Iterable[PhaseEnergy]:
    return (phase for phase in energy.phases if phase.power_w.value is not None)


def _idle_power_w(energy: EnergyResult, role: str) -> float | None:
    """Return the mean over the role's devices, as fitted powers are; None where one of them was not measured."""
    return _mean_of_all(device.idle_power_w for device in energy.devices if device.role == role)


def _power_limit_w(serving: ServingDevices, role: str) -> float | None:
    """Return the mean over the role's devices of the largest limit that was in force; None where one is not known."""
    limits = (serving.series(d.device_id, "power_limit_w").value for d in serving.devices if d.role == role)
    return _mean_of_all(float(found.max()) if len(found) else None for found in limits)


def _mean_of_all(values: Iterable[float | None]) -> float | None:
    every = list(values)
    known = [value for value in every if value is not None]
    return fmean(known) if known and len(known) == len(every) else None
