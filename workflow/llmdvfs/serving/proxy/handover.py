"""A request on its way through prefill to decode, as its connector wants it."""

import asyncio
import uuid

import orjson

from llmdvfs.clock import mono_ns
from llmdvfs.connectors.connector import Body, Connector, KvAddresses
from llmdvfs.serving.proxy.legs import Legs, words
from llmdvfs.serving.proxy.relay import BAD_GATEWAY, UpstreamFailed
from llmdvfs.serving.proxy.upstream import ResponseStream


class Handover:
    """One request and the two that it becomes; `start` it, then wait for its `answer`."""

    def __init__(self, legs: Legs, body: Body) -> None:
        relay = legs.relay
        assert relay.prefill is not None
        self._legs = legs
        self._body = body
        self._prefill, self.decode = legs.take(relay.prefill), legs.take(relay.decode)
        self._connector, self._at_prefill = _needed(relay.connector, self._prefill.upstream.kv)
        _, at_decode = _needed(relay.connector, self.decode.upstream.kv)
        # Two clients may use one id; engines and connectors must not mix the two up.
        unique_id = f"{legs.stamps.request_id}-{uuid.uuid4().hex[:12]}"
        self._request_id = self._connector.request_id(unique_id, self._at_prefill, at_decode)
        self._content = orjson.dumps(self._connector.prefill_body(body, self._request_id))
        self._prefilling: ResponseStream | None = None

    def start(self) -> None:
        """Ask the prefill instance, if a connection to it is idle."""
        self._stamp()
        pool = self._legs.relay.pools[self._prefill.upstream.name]
        self._prefilling = pool.ask_now(self._legs.endpoint, self._content, self._request_id)

    async def answer(self) -> ResponseStream:
        """Return the answer of the instance that streams; UpstreamFailed: it was not asked, or does not answer."""
        if self._connector.sends_together:
            return await _both(self._compute(), self._reach(self._decode_content(None)))
        prefilled = await self._compute()
        try:
            content = self._decode_content(prefilled)
        except ValueError as error:
            raise UpstreamFailed(BAD_GATEWAY, f"{self._prefill.upstream.name}: {error}") from error
        return await self._legs.ask(self.decode, content, self._request_id)

    def _decode_content(self, prefilled: Body | None) -> bytes:
        legs = self._legs
        return orjson.dumps(
            self._connector.decode_body(self._body, self._request_id, prefilled, self._at_prefill, legs.endpoint)
        )

    async def _compute(self) -> Body:
        """Return the prefill instance's whole answer."""
        legs, prefill = self._legs, self._prefill
        name = prefill.upstream.name
        try:
            if self._prefilling is None:
                self._stamp()
                self._prefilling = await legs.relay.pools[name].ask(legs.endpoint, self._content, self._request_id)
            whole = await self._prefilling.read_all()
        except OSError as error:
            raise legs.failed(prefill, "prefill failed", words(error)) from error
        finally:
            self.close()
        legs.stamps.prefill_done_mono_ns = mono_ns()
        legs.release(prefill)
        if self._prefilling.status != 200:
            prefill.failed += 1
            raise UpstreamFailed(self._prefilling.status, f"{name}: prefill answered {self._prefilling.status}", whole)
        try:
            body: Body = orjson.loads(whole)
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed(BAD_GATEWAY, f"{name}: the prefill answer is not JSON ({error})") from error
        return body

    async def _reach(self, content: bytes) -> ResponseStream:
        """Return the answer of the instance that streams once it begins, before anybody is given it."""
        answer = await self._legs.ask(self.decode, content, self._request_id)
        try:
            await answer.begin()
        except OSError as error:
            raise self._legs.failed(self.decode, "request failed", words(error)) from error
        return answer

    def close(self) -> None:
        """Cancel prefill, where it is unfinished."""
        if self._prefilling is not None:
            self._prefilling.close()

    def _stamp(self) -> None:
        self._legs.stamps.prefill_instance = self._prefill.upstream.name
        self._legs.stamps.prefill_sent_mono_ns = mono_ns()


def _needed(connector: Connector | None, addresses: KvAddresses | None) -> tuple[Connector, KvAddresses]:
    if connector is None or addresses is None:
        raise ValueError("a plan with prefill instances needs a connector and KV addresses")
    return connector, addresses


async def _both(
    prefill: "asyncio._CoroutineLike[Body]", decode: "asyncio._CoroutineLike[ResponseStream]"
) -> ResponseStream:
    """Run both requests at once and return decode's answer; the failure of one cancels the other."""
    failure: UpstreamFailed | None = None
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(prefill)
            answer = group.create_task(decode)
    except* UpstreamFailed as failures:
        failure = next(error for error in failures.exceptions if isinstance(error, UpstreamFailed))
    if failure is not None:
        raise failure
    return answer.result()
