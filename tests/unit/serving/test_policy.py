import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.errors import ConfigError
from llmdvfs.serving.proxy.plan import Upstream
from llmdvfs.serving.proxy.policy import Chooser

UPSTREAMS = [Upstream(f"single-{number}", "single", f"http://127.0.0.1:{number}") for number in range(3)]


def names(chooser: Chooser, count: int) -> list[str]:
    chosen = []
    for _ in range(count):
        load = chooser.choose()
        load.served += 1
        chosen.append(load.upstream.name[-1])
    return chosen


def test_round_robin_takes_turns() -> None:
    assert names(Chooser.of(UPSTREAMS, "round_robin", 0), 7) == list("0120120")


def test_least_requests_takes_the_least_busy() -> None:
    chooser = Chooser.of(UPSTREAMS, "least_requests", 0)
    for load, in_flight in zip(chooser.loads, (2, 1, 3), strict=True):
        load.in_flight = in_flight
    assert chooser.choose().upstream.name == "single-1"


def test_least_requests_takes_turns_when_idle() -> None:
    assert names(Chooser.of(UPSTREAMS, "least_requests", 0), 6) == list("012012")


def test_random_follows_its_seed() -> None:
    assert names(Chooser.of(UPSTREAMS, "random", 7), 20) == names(Chooser.of(UPSTREAMS, "random", 7), 20)
    assert set(names(Chooser.of(UPSTREAMS, "random", 7), 60)) == set("012")


def test_another_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"serving\.balancer: 'fastest' is not known; expected one of round_robin"):
        Chooser.of(UPSTREAMS, "fastest", 0)


def test_imbalance_is_the_excess_of_the_most_used() -> None:
    """Shares 6, 3, 3 of 12: the largest is 0.5, the even one 1/3, so 0.5 more than even."""
    chooser = Chooser.of(UPSTREAMS, "random", 0)
    assert chooser.imbalance() is None
    for load, served in zip(chooser.loads, (6, 3, 3), strict=True):
        load.served = served
    assert chooser.imbalance() == pytest.approx(0.5)
    assert isinstance(chooser.random, random.Random)


@given(policy=st.sampled_from(["round_robin", "least_requests"]), count=st.integers(0, 40))
def test_idle_instances_are_used_evenly(policy: str, count: int) -> None:
    chooser = Chooser.of(UPSTREAMS, policy, 0)
    names(chooser, count)
    served = [load.served for load in chooser.loads]
    assert sum(served) == count
    assert max(served) - min(served) <= 1
