import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.errors import ConfigError
from llmdvfs.records.route import Upstream
from llmdvfs.records.spec import Role
from llmdvfs.routing.balancer import Balancer

PREFILL: Role = "prefill"
DECODE: Role = "decode"
UPSTREAMS = [Upstream(f"single-{number}", "single", f"http://127.0.0.1:{number}") for number in range(3)]


def names(balancer: Balancer, count: int) -> list[str]:
    chosen = []
    for _ in range(count):
        backend = balancer.choose()
        backend.served += 1
        chosen.append(backend.upstream.name[-1])
    return chosen


def test_round_robin_takes_turns() -> None:
    assert names(Balancer.of(UPSTREAMS, "round_robin", 0), 7) == list("0120120")


def test_least_requests_takes_the_least_busy() -> None:
    balancer = Balancer.of(UPSTREAMS, "least_requests", 0)
    for backend, in_flight in zip(balancer.backends, (2, 1, 3), strict=True):
        backend.in_flight = in_flight
    assert balancer.choose().upstream.name == "single-1"


def test_least_requests_minds_what_is_in_flight_before_what_was_served() -> None:
    """single-0 is idle and has served most; the two others are busy. The order of the two counts decides."""
    balancer = Balancer.of(UPSTREAMS, "least_requests", 0)
    for backend, in_flight, served in zip(balancer.backends, (0, 1, 1), (9, 2, 1), strict=True):
        backend.in_flight, backend.served = in_flight, served
    assert balancer.choose().upstream.name == "single-0"
    balancer.backends[0].in_flight = 2
    assert balancer.choose().upstream.name == "single-2"  # of the two with one in flight, it has served less


def test_least_requests_takes_turns_when_idle() -> None:
    assert names(Balancer.of(UPSTREAMS, "least_requests", 0), 6) == list("012012")


def test_random_follows_its_seed() -> None:
    assert names(Balancer.of(UPSTREAMS, "random", 7), 20) == names(Balancer.of(UPSTREAMS, "random", 7), 20)
    assert set(names(Balancer.of(UPSTREAMS, "random", 7), 60)) == set("012")


@pytest.mark.parametrize("seed", range(20))
def test_random_reaches_every_pair_of_roles_first(seed: int) -> None:
    """2p2d's first two requests both went to prefill-1 and decode-0: two of four servers were measured cold."""
    balancers = [
        Balancer.of([Upstream(f"{role}-{number}", role, "") for number in range(2)], "random", seed)
        for role in (PREFILL, DECODE)
    ]
    for balancer in balancers:
        assert sorted(names(balancer, 2)) == ["0", "1"]


def test_random_chooses_each_role_by_itself() -> None:
    """Over 400 requests each of the four pairs comes about 100 times: 60 is more than four deviations below."""
    prefill, decode = (
        Balancer.of([Upstream(f"{role}-{number}", role, "") for number in range(2)], "random", 0)
        for role in (PREFILL, DECODE)
    )
    pairs = Counter(zip(names(prefill, 400), names(decode, 400), strict=True))
    assert len(pairs) == 4
    assert min(pairs.values()) > 60


def test_another_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"serving\.balancer: 'fastest' is not known; expected one of round_robin"):
        Balancer.of(UPSTREAMS, "fastest", 0)


def test_imbalance_is_the_excess_of_the_most_used() -> None:
    """Shares 6, 3, 3 of 12: the largest is 0.5, the even one 1/3, so 0.5 more than even."""
    balancer = Balancer.of(UPSTREAMS, "random", 0)
    assert balancer.imbalance() is None
    for backend, served in zip(balancer.backends, (6, 3, 3), strict=True):
        backend.served = served
    assert balancer.imbalance() == pytest.approx(0.5)
    assert isinstance(balancer.random, random.Random)


@given(policy=st.sampled_from(["round_robin", "least_requests"]), count=st.integers(0, 40))
def test_idle_instances_are_used_evenly(policy: str, count: int) -> None:
    balancer = Balancer.of(UPSTREAMS, policy, 0)
    names(balancer, count)
    served = [backend.served for backend in balancer.backends]
    assert sum(served) == count
    assert max(served) - min(served) <= 1
