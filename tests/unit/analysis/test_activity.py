"""How busy the parts of a GPU were in each phase, from readings whose values can be worked out by hand."""

from collections.abc import Sequence

import pytest

from llmdvfs.analysis.activity import bound_by, role_activities
from llmdvfs.records.phases import EngineSteps, PhaseInterval, PhasesRecord
from llmdvfs.records.readings import Readings, readings_of
from llmdvfs.records.result import RoleActivity
from llmdvfs.records.spec import Phase
from llmdvfs.records.telemetry import Reading

START_NS = 5_000_000_000
BUSY = {"prefill": (0.96, 0.80, 0.32), "decode": (0.73, 0.02, 0.65), "idle": (0.0, 0.0, 0.0)}
"""SM, tensor, DRAM of an H100 (MEASURED, a model of 8B): prefill, decode of batch 8."""
HBM_W = {"prefill": 110.0, "decode": 145.0, "idle": 33.0}
Stretch = tuple[Phase, float, float]


def phases(stretches: Sequence[Stretch], window_s: tuple[float, float]) -> PhasesRecord:
    steps = tuple(
        EngineSteps("single", phase, begin_s, end_s, 10, 8, 0) for phase, begin_s, end_s in stretches if phase != "idle"
    )
    intervals = (PhaseInterval(0, "decode", "single", *window_s, is_bound=False),)
    return PhasesRecord(intervals, {"gpu0": "single"}, *window_s, *window_s, steps)


def mean(values: dict[str, float], stretches: Sequence[Stretch], begin_s: float, end_s: float) -> float:
    """Mean over [begin, end] of what has a value in each phase."""
    inside = [(phase, min(end, end_s) - max(begin, begin_s)) for phase, begin, end in stretches]
    return sum(values[phase] * max(seconds, 0.0) for phase, seconds in inside) / (end_s - begin_s)


def readings(stretches: Sequence[Stretch], end_s: float, late_s: float = 0.0) -> Readings:
    """Activity every 200 ms over 200 ms, HBM power every 100 ms over 1 s, both of `late_s` before their stamps."""
    found = []
    for k in range(5, round(end_s * 5)):
        begin, end = k / 5, (k + 1) / 5
        fractions = {
            name: mean({phase: BUSY[phase][i] for phase in BUSY}, stretches, begin - late_s, end - late_s)
            for i, name in enumerate(("sm_active_fraction", "tensor_active_fraction", "dram_active_fraction"))
        }
        found.append(Reading("gpu0", START_NS + round(begin * 1e9), START_NS + round(end * 1e9), dict(fractions)))
    for k in range(10, round(end_s * 10)):
        at_ns = START_NS + round(k / 10 * 1e9)
        power_w = mean(HBM_W, stretches, k / 10 - 1.0 - late_s, k / 10 - late_s)
        found.append(Reading("gpu0", at_ns, at_ns, {"memory_power_w": power_w}))
    return readings_of(found)


def activity_of(found: Sequence[RoleActivity], phase: Phase | None) -> RoleActivity:
    return next(one for one in found if one.phase == phase)


def long_and_short() -> list[Stretch]:
    """Prefills of 1.5 s and decodes of 2.5 s, over 20 s: readings inside a phase, and some that straddle an edge."""
    stretches: list[Stretch] = []
    for k in range(5):
        stretches += [("prefill", 4.0 * k + 0.03, 4.0 * k + 1.53), ("decode", 4.0 * k + 1.53, 4.0 * k + 4.03)]
    return stretches


def test_each_phase_has_the_activity_that_its_own_steps_had() -> None:
    """Readings that straddle an edge are divided by their shares: none of them would have been 80 % or 2 %."""
    stretches = long_and_short()
    found = role_activities(
        readings(stretches, 20.0, late_s=0.05), phases(stretches, (1.0, 20.0)), started_mono_ns=START_NS
    )
    prefill, decode = activity_of(found, "prefill"), activity_of(found, "decode")
    assert (prefill.sm_fraction, prefill.tensor_fraction, prefill.dram_fraction) == pytest.approx(
        (0.96, 0.8, 0.32), abs=0.01
    )
    assert (decode.sm_fraction, decode.tensor_fraction, decode.dram_fraction) == pytest.approx(
        (0.73, 0.02, 0.65), abs=0.01
    )
    assert (prefill.memory_power_w, decode.memory_power_w) == pytest.approx((110.0, 145.0), rel=0.02)
    assert prefill.words == "prefill: tensor 80 %, DRAM 32 %: bound by compute"
    assert decode.words == "decode at batch 8: tensor 2 %, DRAM 65 %: bound by memory"


def test_the_whole_window_is_told_even_where_its_phases_are_not() -> None:
    """Prefills of 60 ms before decodes of 140 ms: every reading holds one of each."""
    stretches: list[Stretch] = []
    for k in range(100):
        stretches += [("prefill", k / 5, k / 5 + 0.06), ("decode", k / 5 + 0.06, (k + 1) / 5)]
    found = role_activities(readings(stretches, 20.0), phases(stretches, (1.0, 20.0)), started_mono_ns=START_NS)
    whole = activity_of(found, None)
    assert whole.tensor_fraction == pytest.approx(0.3 * 0.8 + 0.7 * 0.02)
    assert activity_of(found, "prefill").tensor_fraction is None
    assert activity_of(found, "prefill").words is None
    assert activity_of(found, "decode").bound_by is None


def test_phases_that_the_counters_unknown_delay_would_swap_are_null() -> None:
    """Changing every 150 ms beside readings of 200 ms: they can be told apart, but not to within a delay of 100 ms."""
    stretches: list[Stretch] = []
    for k in range(66):
        stretches += [("prefill", 0.3 * k, 0.3 * k + 0.15), ("decode", 0.3 * k + 0.15, 0.3 * (k + 1))]
    found = role_activities(
        readings(stretches, 19.8, late_s=0.1), phases(stretches, (1.0, 19.8)), started_mono_ns=START_NS
    )
    assert activity_of(found, "prefill").tensor_fraction is None
    assert activity_of(found, None).tensor_fraction == pytest.approx(0.41, abs=0.02)


def test_a_device_that_tells_nothing_of_it_has_no_row() -> None:
    stretches = long_and_short()
    silent = readings_of([Reading("gpu0", START_NS, START_NS, {"power_instant_w": 400.0})])
    assert role_activities(silent, phases(stretches, (1.0, 20.0)), started_mono_ns=START_NS) == ()


@pytest.mark.parametrize(
    ("tensor", "dram", "expected"),
    [
        (0.80, 0.32, "compute"),
        (0.02, 0.65, "memory"),
        (0.44, 0.50, "memory"),
        (0.10, 0.49, "neither"),  # a small model, or one that waits for the CPU
        (None, 0.65, None),
    ],
)
def test_what_a_phase_is_bound_by(tensor: float | None, dram: float | None, expected: str | None) -> None:
    assert bound_by(tensor, dram) == expected
