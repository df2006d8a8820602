"""A request on its way through prefill to decode, as its connector wants it."""

import asyncio

from llmdvfs.clock import mono_ns
from llmdvfs.connectors.connector import Body
from llmdvfs.routing.failure import UpstreamFailed, prefill_failed, request_failed
from llmdvfs.routing.pair import OK, Pair
from llmdvfs.serving.proxy.legs import Legs, words
from llmdvfs.serving.proxy.upstream import ResponseStream


class Handover:
    """One request and the two that it becomes; `start` it, then wait for its `answer`."""

    def __init__(self, legs: Legs, body: Body) -> None:
        relay = legs.relay
        assert relay.prefill is not None
        self._legs = legs
        self._prefill, self.decode = legs.take(relay.prefill), legs.take(relay.decode)
        self._pair = Pair(
            relay.connector,
            self._prefill.upstream,
            self.decode.upstream,
            legs.endpoint,
            body,
            legs.stamps.request_id,
        )
        self._content = self._pair.prefill_content()
        self._prefilling: ResponseStream | None = None

    def start(self) -> None:
        """Ask the prefill instance, if a connection to it is idle."""
        self._stamp()
        pool = self._legs.relay.pools[self._prefill.upstream.name]
        self._prefilling = pool.ask_now(self._legs.endpoint, self._content, self._pair.request_id)

    async def answer(self) -> ResponseStream:
        """Return the answer of the instance that streams; UpstreamFailed: it was not asked, or does not answer."""
        if self._pair.goes_together:
            return await _both(self._compute(), self._reach(self._pair.decode_content(None)))
        prefilled = await self._compute()
        return await self._legs.ask(self.decode, self._pair.decode_content(prefilled), self._pair.request_id)

    async def _compute(self) -> Body:
        """Return the prefill instance's whole answer."""
        legs, prefill = self._legs, self._prefill
        name = prefill.upstream.name
        try:
            if self._prefilling is None:
                self._stamp()
                self._prefilling = await legs.relay.pools[name].ask(legs.endpoint, self._content, self._pair.request_id)
            whole = await self._prefilling.read_all()
        except OSError as error:
            raise legs.failed(prefill, prefill_failed(name, words(error))) from error
        finally:
            self.close()
        legs.stamps.prefill_done_mono_ns = mono_ns()
        legs.release(prefill)
        prefill.failed += self._prefilling.status != OK
        return self._pair.prefilled(self._prefilling.status, whole)

    async def _reach(self, content: bytes) -> ResponseStream:
        """Return the answer of the instance that streams once it begins, before anybody is given it."""
        answer = await self._legs.ask(self.decode, content, self._pair.request_id)
        try:
            await answer.begin()
        except OSError as error:
            raise self._legs.failed(self.decode, request_failed(self.decode.upstream.name, words(error))) from error
        return answer

    def close(self) -> None:
        """Cancel prefill, where it is unfinished."""
        if self._prefilling is not None:
            self._prefilling.close()

    def _stamp(self) -> None:
        self._legs.stamps.prefill_instance = self._prefill.upstream.name
        self._legs.stamps.prefill_sent_mono_ns = mono_ns()


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
