"""Another host's clock: offset and drift found from exchanges, inside the bound that is told."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdvfs.hosts.clock_line import clock_line
from llmdvfs.records.hosts import ClockExchange, ClockLine

MS = 1_000_000
S = 1_000_000_000
BEGIN = 43_000 * S
Clock = Callable[[int], int]


def ahead(offset_ns: int, drift: float = 0.0) -> Clock:
    """Return a clock that was so far ahead at BEGIN and gains so much since."""
    return lambda here_ns: here_ns + offset_ns + round(drift * (here_ns - BEGIN))


def exchanges(
    clock: Clock, num: int, seed: int = 1, there_ms: float = 0.1, back_ms: float = 0.3
) -> list[ClockExchange]:
    """Return ten exchanges a second, each way taking 0.06 ms and a random time of that mean."""
    numbers, found = random.Random(seed), []
    for i in range(num):
        asked = BEGIN + i * 100 * MS
        received = asked + round((0.06 + numbers.expovariate(1 / there_ms)) * MS)
        answered = received + 20_000
        heard = answered + round((0.06 + numbers.expovariate(1 / back_ms)) * MS)
        found.append(ClockExchange(asked, clock(received), clock(answered), heard))
    return found


def worst_ns(line: ClockLine, clock: Clock, span_ns: int) -> int:
    return max(abs(line.here_ns(clock(t)) - t) for t in range(BEGIN, BEGIN + span_ns, S))


def test_an_even_exchange_tells_the_offset_and_its_bound() -> None:
    """Asked at 0, received at 1007 of the other clock, answered at 1009, heard at 16: (1007 + 993) / 2 = 1000, +- 7."""
    line = clock_line([ClockExchange(0, 1007, 1009, 16)])
    assert line is not None
    assert line.offset_ns == 1000
    assert line.least_delay_ns == 14
    assert line.bound_ns == pytest.approx(7, abs=1.1)  # one of them is the room that the solver is given
    assert line.here_ns(1500) == pytest.approx(500, abs=1)


def test_no_exchange_is_no_line() -> None:
    assert clock_line([]) is None


@pytest.mark.parametrize(
    ("offset_ns", "drift"), [(0, 0.0), (3_700 * MS, 5e-5), (-12 * S, -2e-4), (10**15, 9e-4)], ids=str
)
def test_a_skewed_clock_is_found_inside_the_bound(offset_ns: int, drift: float) -> None:
    """A minute of exchanges whose ways take 0.16 and 0.36 ms on average: the fast ones decide."""
    clock = ahead(offset_ns, drift)
    line = clock_line(exchanges(clock, 600))
    assert line is not None
    assert line.slack_ns == pytest.approx(0, abs=2)
    assert line.drift == pytest.approx(drift, abs=3e-6)
    assert worst_ns(line, clock, 60 * S) <= line.bound_ns < 0.1 * MS


@settings(max_examples=25)
@given(
    offset_ns=st.integers(-(10**16), 10**16),
    drift=st.floats(-9e-4, 9e-4),
    seed=st.integers(0, 1000),
    there_ms=st.floats(0.01, 20),
    back_ms=st.floats(0.01, 20),
)
def test_the_bound_holds_whatever_the_ways_take(
    offset_ns: int, drift: float, seed: int, there_ms: float, back_ms: float
) -> None:
    clock = ahead(offset_ns, drift)
    line = clock_line(exchanges(clock, 50, seed, there_ms, back_ms))
    assert line is not None
    assert worst_ns(line, clock, 5 * S) <= line.bound_ns + 2


def test_a_clock_that_was_set_under_way_widens_the_bound() -> None:
    """It jumped by 10 ms in the middle: no straight line fits, and half of the jump is in the bound."""
    first, second = exchanges(ahead(0), 300), exchanges(ahead(10 * MS), 600)[300:]
    line = clock_line([*first, *second])
    assert line is not None
    assert line.slack_ns > 1 * MS
    assert line.bound_ns > line.slack_ns


def test_slow_exchanges_do_no_harm() -> None:
    """Every second way back takes a second longer; the line is as good as without these."""
    clock = ahead(5 * S)
    mixed = [
        exchange
        if i % 2
        else ClockExchange(exchange.asked_ns, exchange.received_ns, exchange.answered_ns, exchange.heard_ns + S)
        for i, exchange in enumerate(exchanges(clock, 200))
    ]
    line = clock_line(mixed)
    assert line is not None
    assert worst_ns(line, clock, 20 * S) <= line.bound_ns < 0.2 * MS
