"""What stock shows under a load, and which points that makes labels."""

from pathlib import Path

import pytest
from unit.benchmark.test_settling import live, ns

from llmdvfs.benchmark.sweep.probe import mean_power_w, probe_stock
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.under_load import RoleProbe, StockProbe


def held_at(p50_mhz: float | None, **reasons: float) -> StockProbe:
    shares = {name.replace("_", " "): share for name, share in reasons.items()}
    return StockProbe(0, 1, {"prefill": RoleProbe(p50_mhz, p50_mhz, 690.0, 120.0, shares)})


def asks(**clocks: int) -> OperatingPoint:
    return OperatingPoint("p", sm_clock_mhz=dict(clocks))


def test_a_clock_above_what_the_power_limit_lets_stock_hold_is_a_label() -> None:
    (why,) = held_at(1410, power_cap=0.9).cap_bound(asks(prefill=1980))
    assert why == ("prefill: 1980 MHz asked, stock holds 1410 MHz under this load (power cap in 90% of the readings)")


@pytest.mark.parametrize(
    ("probe", "point"),
    [
        (held_at(1410, power_cap=0.9), asks(prefill=1425)),  # the next step of the grid: nobody can tell
        (held_at(1410, power_cap=0.9), asks(decode=1980)),  # another role
        (held_at(1410, power_cap=0.05), asks(prefill=1980)),  # a burst reaches the limit now and then
        (held_at(1410), asks(prefill=1980)),  # an application clock below the highest holds stock, not a lock
        (held_at(None, power_cap=0.9), asks(prefill=1980)),  # not read
        (held_at(1410, power_cap=0.9), OperatingPoint("cap", power_limit_w={"prefill": 400.0})),
    ],
)
def test_what_the_load_may_hold_is_measured(probe: StockProbe, point: OperatingPoint) -> None:
    assert probe.cap_bound(point) == ()


def test_a_deployment_without_gpus_has_no_role_to_tell_of() -> None:
    assert StockProbe(0, 1, {}).cap_bound(asks(prefill=1980)) == ()


def test_the_probe_is_taken_from_the_span_that_was_settled(tmp_path: Path) -> None:
    seen = live(tmp_path, 6.0, power_w=lambda t_s: 300.0 if t_s < 3.95 else 500.0)
    probe = probe_stock(seen, (ns(4.0), ns(5.9)), {"single": [0]}, {"gpu0": 90.0})
    role = probe.roles["single"]
    assert (role.sm_clock_p50_mhz, role.sm_clock_p10_mhz, role.power_w, role.idle_power_w) == (1410, 1410, 500, 90)
    assert role.clock_event_fraction == {}
    assert mean_power_w(seen, "gpu1", (ns(4.0), ns(5.9))) is None
