"""One request's way through the instances: prefill then decode, or one of several (no web framework here)."""

import asyncio
import uuid

import orjson

from llmdvfs.clock import mono_ns
from llmdvfs.connectors.connector import Body, Connector
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.serving.proxy.journal import Journal, Stamps
from llmdvfs.serving.proxy.plan import ProxyPlan
from llmdvfs.serving.proxy.policy import Backend, Balancer
from llmdvfs.serving.proxy.upstream import Pool, ResponseStream

CLIENT_GONE = 499  # nginx's status for a client that closed the connection; recorded, never sent
BAD_REQUEST = 400
BAD_GATEWAY = 502


class UpstreamFailed(Exception):
    """An instance refused a request or broke off.

    `status` and `body` are the answer for the client.
    """

    def __init__(self, status: int, message: str, body: bytes | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body or error_body(message, status)


def error_body(message: str, status: int) -> bytes:
    """Return the bytes of an error in OpenAI's form."""
    return orjson.dumps({"error": {"message": message, "type": "upstream_error", "code": status}})


class Relay:
    """The instances of a proxy, and which of them has been given what."""

    def __init__(self, plan: ProxyPlan, journal: Journal) -> None:
        prefill = plan.of_role("prefill")
        self.connector: Connector | None = CONNECTORS[plan.connector] if plan.connector else None
        self.prefill = Balancer.of(prefill, plan.policy, plan.seed) if prefill else None
        self.decode = Balancer.of(plan.of_role("decode", "single"), plan.policy, plan.seed)
        self.pools = {backend.upstream.name: Pool(backend.upstream.base_url) for backend in self.backends()}
        self.journal = journal

    def backends(self) -> list[Backend]:
        """Return every instance, those of prefill first."""
        return [*(self.prefill.backends if self.prefill else []), *self.decode.backends]

    def close(self) -> None:
        """Close idle connections and the journal."""
        for pool in self.pools.values():
            pool.close()
        self.journal.close()


class Exchange:
    """One request: `open` it, then `read` to the end; `close` it in any case, which cancels what is unfinished."""

    def __init__(self, relay: Relay, endpoint: str, content: bytes, stamps: Stamps) -> None:
        self._relay = relay
        self._endpoint = endpoint
        self._content = content
        self._busy: list[Backend] = []
        self._answer: ResponseStream | None = None
        self.stamps = stamps

    async def open(self) -> ResponseStream:
        """Bring the request to where its answer begins.

        Where prefill fails, it never reaches decode: UpstreamFailed.
        """
        try:
            if self._relay.prefill is None:
                decode = self._take(self._relay.decode)
                await self._reach(decode, self._content, self.stamps.request_id)
            else:
                body = self._parsed()
                prefill, decode = self._take(self._relay.prefill), self._take(self._relay.decode)
                await self._prefill_and_decode(body, prefill, decode)
        except UpstreamFailed as failed:
            self.stamps.status, self.stamps.error = failed.status, str(failed)
            raise
        assert self._answer is not None
        self.stamps.status = self._answer.status
        return self._answer

    async def read(self) -> bytes:
        """Return the next piece of the answer as it comes, b"" at its end; a break becomes an error event.

        Not more than upstream.READ_AHEAD_BYTES are read ahead of the client.
        """
        assert self._answer is not None
        stamps = self.stamps
        if stamps.error is not None:
            return b""
        try:
            piece = await self._answer.read()
        except OSError as error:
            stamps.error = f"{stamps.decode_instance} broke off: {_words(error)}"
            self._busy[-1].failed += 1
            return b"data: " + error_body(stamps.error, BAD_GATEWAY) + b"\n\n"
        if not piece:
            stamps.last_byte_mono_ns = mono_ns()
        elif stamps.first_byte_mono_ns is None:
            stamps.first_byte_mono_ns = mono_ns()
        return piece

    def close(self) -> None:
        """End the request: cancel what is unfinished upstream, count it as ended, and write its stamps."""
        if self._answer is not None:
            self._answer.close()
        for backend in self._busy:
            backend.in_flight -= 1
        if self.stamps.last_byte_mono_ns is None and self.stamps.error is None:
            self.stamps.status, self.stamps.error = CLIENT_GONE, "the client closed the connection"
        self._relay.journal.write(self.stamps)

    def _parsed(self) -> Body:
        """Return the request as connectors need it; a balancer never looks into it."""
        try:
            body = orjson.loads(self._content)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise UpstreamFailed(BAD_REQUEST, "the request's body is not a JSON object")
        return body

    async def _prefill_and_decode(self, body: Body, prefill: Backend, decode: Backend) -> None:
        """Bring a request through prefill and to the begin of decode's answer, as its connector wants it."""
        connector, at_prefill, at_decode = self._relay.connector, prefill.upstream.kv, decode.upstream.kv
        if connector is None or at_prefill is None or at_decode is None:
            raise ValueError("a plan with prefill instances needs a connector and KV addresses")
        # Two clients may use one id; engines and connectors must not mix the two up.
        unique_id = f"{self.stamps.request_id}-{uuid.uuid4().hex[:12]}"
        request_id = connector.request_id(unique_id, at_prefill, at_decode)
        prefill_content = orjson.dumps(connector.prefill_body(body, request_id))
        if connector.sends_together:
            decode_body = connector.decode_body(body, request_id, None, at_prefill, self._endpoint)
            await _both(
                self._compute(prefill, prefill_content, request_id),
                self._reach(decode, orjson.dumps(decode_body), request_id),
            )
            return
        answer = await self._compute(prefill, prefill_content, request_id)
        try:
            decode_body = connector.decode_body(body, request_id, answer, at_prefill, self._endpoint)
        except ValueError as error:
            raise UpstreamFailed(BAD_GATEWAY, f"{prefill.upstream.name}: {error}") from error
        await self._reach(decode, orjson.dumps(decode_body), request_id)

    async def _compute(self, prefill: Backend, content: bytes, request_id: str) -> Body:
        """Return the prefill instance's whole answer."""
        name = prefill.upstream.name
        self.stamps.prefill_instance = name
        self.stamps.prefill_sent_mono_ns = mono_ns()
        try:
            answer = await self._relay.pools[name].post(self._endpoint, content, request_id)
            try:
                whole = await answer.read_all()
            finally:
                answer.close()
        except OSError as error:
            prefill.failed += 1
            raise UpstreamFailed(BAD_GATEWAY, f"{name}: prefill failed: {_words(error)}") from error
        self.stamps.prefill_done_mono_ns = mono_ns()
        self._release(prefill)
        if answer.status != 200:
            prefill.failed += 1
            raise UpstreamFailed(answer.status, f"{name}: prefill answered {answer.status}", whole)
        try:
            body: Body = orjson.loads(whole)
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed(BAD_GATEWAY, f"{name}: the prefill answer is not JSON ({error})") from error
        return body

    async def _reach(self, decode: Backend, content: bytes, request_id: str) -> None:
        """Open the answer of the instance that streams."""
        name = decode.upstream.name
        self.stamps.decode_instance = name
        self.stamps.decode_sent_mono_ns = mono_ns()
        try:
            self._answer = await self._relay.pools[name].post(self._endpoint, content, request_id)
        except OSError as error:
            decode.failed += 1
            raise UpstreamFailed(BAD_GATEWAY, f"{name}: request failed: {_words(error)}") from error
        self.stamps.headers_mono_ns = mono_ns()

    def _take(self, balancer: Balancer) -> Backend:
        backend = balancer.choose()
        backend.in_flight += 1
        backend.served += 1
        self._busy.append(backend)
        return backend

    def _release(self, backend: Backend) -> None:
        backend.in_flight -= 1
        self._busy.remove(backend)


async def _both(prefill: "asyncio._CoroutineLike[Body]", decode: "asyncio._CoroutineLike[None]") -> None:
    """Run both requests at once; the failure of one cancels the other."""
    failure: UpstreamFailed | None = None
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(prefill)
            group.create_task(decode)
    except* UpstreamFailed as failures:
        failure = next(error for error in failures.exceptions if isinstance(error, UpstreamFailed))
    if failure is not None:
        raise failure


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
