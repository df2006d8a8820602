"""The attribution of energy to phases, held against loads that have one phase (docs/metrics.md#comparison).

Records only: where a study has a load that isolates a phase (`isolates`) with as many requests in flight as a load with
both phases, on the same server start's deployment and operating point, the phase's power must be the same in both.
"""

from collections.abc import Iterable, Iterator, Sequence

from llmdvfs.comparison.summary import Measured
from llmdvfs.records.comparison import IsolationCheck
from llmdvfs.records.result import CellResult, Estimate, Gate, PhaseEnergy
from llmdvfs.records.spec import Phase

GATE = "attribution_against_isolation"
MAX_DIFFERENCE_FRACTION = 0.03  # of the power: what two runs of one load on one GPU may differ by, heat included
MAX_LENGTH_FACTOR = 1.5  # decode draws about 2 % more for a context twice as long, MEASURED on an H100 at batch 64


def isolation_checks(measured: Sequence[Measured]) -> Iterator[IsolationCheck]:
    """Yield a check for each phase of each cell that has a counterpart which isolates it."""
    alone = [own for own in measured if own[1].workload.isolates is not None]
    for mixed in (own for own in measured if own[1].workload.isolates is None):
        for phase in mixed[0].energy.phases:
            counterparts = [own for own in alone if _is_counterpart(own, mixed, phase.phase)]
            if counterparts:
                wanted = _tokens(mixed[0], phase.phase)
                nearest = min(counterparts, key=lambda own: _factor(_tokens(own[0], phase.phase), wanted))
                yield _check(phase, mixed[0], nearest[0])


def _is_counterpart(alone: Measured, mixed: Measured, phase: Phase) -> bool:
    """Return whether a cell isolates the phase, all else being equal: deployment, launch, point, requests in flight."""
    one, other = alone[0].cell, mixed[0].cell
    arrival, wanted = alone[1].workload.arrival, mixed[1].workload.arrival
    return (
        alone[1].workload.isolates == phase
        and (one.deployment, one.point, one.launch) == (other.deployment, other.point, other.launch)
        and arrival.kind == wanted.kind == "closed"
        and arrival.concurrency == wanted.concurrency
    )


def _check(phase: PhaseEnergy, mixed: CellResult, alone: CellResult) -> IsolationCheck:
    isolated_w = _power_w(alone.energy.phases, phase)
    difference = None
    if phase.power_w.value is not None and isolated_w.value:
        difference = phase.power_w.value / isolated_w.value - 1
    lengths = (_tokens(mixed, phase.phase), _tokens(alone, phase.phase))
    return IsolationCheck(
        mixed.cell,
        alone.cell.workload,
        phase.role,
        phase.phase,
        phase.power_w,
        isolated_w,
        difference,
        _judged(phase, isolated_w, difference, lengths),
    )


def _judged(
    phase: PhaseEnergy, isolated_w: Estimate, difference: float | None, lengths: tuple[float | None, float | None]
) -> Gate:
    expected = f"within {MAX_DIFFERENCE_FRACTION:.0%} of the power in the load that isolates {phase.phase}"
    if difference is None:
        why = phase.power_w.reason or isolated_w.reason or f"the isolating load has no power of {phase.phase}"
        return Gate(GATE, "not_applicable", why, expected, "")
    seen = f"{phase.power_w.value:.0f} W for {isolated_w.value:.0f} W ({difference:+.1%})"
    if _factor(*lengths) > MAX_LENGTH_FACTOR:
        told = " and ".join("unknown" if length is None else f"{length:.0f}" for length in lengths)
        return Gate(GATE, "not_applicable", f"{seen}, with {told} tokens a request: too unlike", expected, "")
    passed = abs(difference) <= MAX_DIFFERENCE_FRACTION
    remedy = "" if passed else "doubt the split between phases (docs/energy.md); the role's total stands"
    return Gate(GATE, "passed" if passed else "failed", seen, expected, remedy)


def _power_w(phases: Iterable[PhaseEnergy], wanted: PhaseEnergy) -> Estimate:
    own = [p.power_w for p in phases if (p.role, p.phase) == (wanted.role, wanted.phase)]
    return own[0] if own else Estimate(None, reason=f"the isolating load was never in {wanted.phase}")


def _tokens(result: CellResult, phase: Phase) -> float | None:
    """Return what decides a phase's power beside the batch: prompt tokens, or the mean context of decode."""
    told = result.throughput
    if not told.num_requests:
        return None
    output = told.num_output_tokens / 2 if phase == "decode" else 0
    return (told.num_prompt_tokens + output) / told.num_requests


def _factor(one: float | None, other: float | None) -> float:
    return max(one / other, other / one) if one and other else float("inf")
