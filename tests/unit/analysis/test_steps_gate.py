"""More steps told than an engine made are the tokens of one step taken for several."""

import pytest

from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.gates.steps import steps_as_counted
from llmdvfs.records.result import StepCount


@pytest.mark.parametrize(
    ("told", "counted", "status"),
    [
        (6575, 4001.0, "failed"),  # 64 in flight on an H100, by groups of stamps within a quarter of a step
        (3338, 4001.0, "passed"),  # the same load by the rule of today; the warm-up's steps are counted
        (1030, 1000.0, "passed"),
        (1031, 1000.0, "failed"),
        (41, None, "not_applicable"),
    ],
)
def test_steps_told_against_steps_counted(told: int, counted: float | None, status: str) -> None:
    gate = steps_as_counted([StepCount("single", told, counted, None)], GateLimits())
    assert gate.status == status
    assert counted is None or f"single {told:,} told, {counted:,.0f} counted" in gate.seen


def test_an_engine_whose_steps_were_not_told_is_not_judged() -> None:
    assert steps_as_counted([], GateLimits()).status == "not_applicable"
