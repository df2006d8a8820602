"""Routes that are closed while requests still wait for connections."""

import asyncio
from collections.abc import Callable

import pytest

from llmdvfs.load.own_error.mock_server import MockServer
from llmdvfs.load.sending.feed import ReadyRequest
from llmdvfs.load.sending.instances import Instances
from llmdvfs.load.sending.one_address import OneAddress
from llmdvfs.load.sending.route import Ended, Route
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.request import Target, target
from llmdvfs.records.route import RoutePlan, Upstream

MakeRoute = Callable[[Target, Ended], Route]


def of_instances(to: Target, ended: Ended) -> Route:
    return Instances(RoutePlan((Upstream("single-0", "single", f"http://{to.host}:{to.port}"),), None), to, ended)


@pytest.mark.parametrize("make", [OneAddress, of_instances])
def test_a_connection_that_is_being_opened_at_the_end_does_not_keep_the_load_from_ending(
    make: MakeRoute, mock: Callable[..., MockServer]
) -> None:
    """A plan that broke with 700 requests under way: one was connected after all others had been closed, got its
    answer, and the load waited for that connection for ever."""
    to = target(f"http://127.0.0.1:{mock().port}", endpoint="completions", model="m", api_key=None)
    ended: list[Exchange] = []

    async def scenario() -> int:
        route = make(to, lambda exchange, failure: ended.append(exchange))
        await route.open(1, 0)
        for index in range(3):  # one finds the idle connection, two have one opened
            route.send(ReadyRequest(None, Exchange(index, f"r{index}", None, 8, 4), b"{}"))
        await asyncio.wait_for(route.close(), 10)
        await asyncio.sleep(0.05)
        return route.num_opened

    assert asyncio.run(scenario()) == 1
    assert ended == []
