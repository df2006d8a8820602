"""Requests are rendered ahead in short slices, and seldom: each slice wakes a client that could sleep."""

import pytest

from llmdvfs.load.schedule.plan import PlannedRequest
from llmdvfs.load.sending.feed import HIGH_WATER, LOW_WATER, Feed
from llmdvfs.load.wire.request import target

MOCK = target("http://127.0.0.1:1", endpoint="completions", model="mock", api_key=None)


def feed_of(num_requests: int, num_filled: int) -> Feed:
    feed = Feed(iter([PlannedRequest(index, None, None, [7], None, 1) for index in range(num_requests)]), MOCK)
    feed.fill(num_filled, time_s=0.0)
    return feed


def pop(feed: Feed, num: int) -> list[int]:
    popped = [feed.pop() for _ in range(num)]
    return [request.exchange.index for request in popped if request is not None]


def test_a_reserve_is_filled_to_its_top_once_it_is_low(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmdvfs.load.sending.feed.TOP_UP_TIME_S", 0.0)  # one request a slice
    feed = feed_of(1000, LOW_WATER)
    assert not feed.top_up()
    pop(feed, 1)
    slices = 0
    while feed.top_up():
        slices += 1
    assert slices == HIGH_WATER - LOW_WATER + 1
    pop(feed, HIGH_WATER - LOW_WATER)
    assert not feed.top_up()


def test_a_plan_at_its_end_needs_no_slice_and_all_of_it_comes_in_order() -> None:
    feed = feed_of(10, 4)
    while feed.top_up():
        pass
    assert not feed.top_up()
    assert pop(feed, 20) == list(range(10))
