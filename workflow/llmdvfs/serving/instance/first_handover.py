"""First requests through prefill to decode where no proxy stands before them (route `direct`)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import orjson

from llmdvfs.errors import ServerNotReady
from llmdvfs.records.route import RoutePlan
from llmdvfs.routing.balancer import balancers
from llmdvfs.routing.failure import UpstreamFailed
from llmdvfs.routing.pair import Pair
from llmdvfs.serving.instance.health import (
    FIRST_ANSWER_LIMIT_S,
    PATHS,
    check_alive,
    check_first_answer,
    first_request,
    what_came,
)
from llmdvfs.serving.instance.http import Reply, post
from llmdvfs.serving.part import Server

PATH = PATHS["completions"]


def first_handovers(plan: RoutePlan, model: str, ready: Sequence[Server]) -> None:
    """Send real requests, one after another, until each instance has had its part in one.

    plan: has prefill and decode instances. ready: servers that are watched meanwhile. ServerNotReady where a request
    is not answered with a token, or one of the servers ends.
    """
    prefill, decode = balancers(plan)
    assert prefill is not None
    for _ in range(max(len(prefill.backends), len(decode.backends))):
        first, second = prefill.choose().upstream, decode.choose().upstream
        pair = Pair(plan.connector, first, second, PATH, first_request(model, "completions"), "first")
        reply = _hand_over(pair, first.base_url + PATH, second.base_url + PATH, ready)
        check_first_answer(second.base_url + PATH, reply, model, ready)


def _hand_over(pair: Pair, prefill_url: str, decode_url: str, ready: Sequence[Server]) -> Reply:
    """Return decode's answer; ServerNotReady where prefill gave none that decode can use."""

    def ask(url: str, content: bytes) -> Reply:
        headers = {"X-Request-Id": pair.request_id}
        return post(url, orjson.loads(content), FIRST_ANSWER_LIMIT_S, headers, watch=lambda: check_alive(ready))

    with ThreadPoolExecutor(1) as beside:
        early = beside.submit(ask, decode_url, pair.decode_content(None)) if pair.goes_together else None
        reply = ask(prefill_url, pair.prefill_content())
        try:
            prefilled = pair.prefilled(reply.status or 0, reply.body)
            return ask(decode_url, pair.decode_content(prefilled)) if early is None else early.result()
        except UpstreamFailed as failed:
            check_alive(ready)
            raise ServerNotReady(
                f"{prefill_url} did not do its part of a first request: {failed}; {what_came(reply)}; "
                "see its log, and whether the connector is right for this engine"
            ) from failed
