"""The proxy over real sockets, with scripted instances behind it."""

import asyncio
import contextlib
import gc
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from fakes.upstream import FakeUpstream, serving

from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.route import KvAddresses, Upstream
from llmdvfs.records.spec import Role
from llmdvfs.records.store import write_record
from llmdvfs.serving.instance.ports import reserve, reserved
from llmdvfs.serving.proxy import door
from llmdvfs.serving.proxy.admission import Admission
from llmdvfs.serving.proxy.chunks import END, chunk
from llmdvfs.serving.proxy.handover import Handover
from llmdvfs.serving.proxy.journal import proxy_records
from llmdvfs.serving.proxy.plan import ProxyPlan
from llmdvfs.serving.proxy.server import make_server
from llmdvfs.serving.proxy.upstream import Connection

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "workflow")}
BODY = {"model": "m", "prompt": [1, 2, 3], "max_tokens": 8, "stream": True}


class Proxied:
    """A running proxy and what stands behind it."""

    def __init__(self, url: str, log: Path, session: aiohttp.ClientSession) -> None:
        self.doors: Collection[Any] = ()
        """The clients' connections as the proxy has them, where it runs in this process."""
        self.url = url
        self.log = log
        self.session = session

    def post(self, body: dict[str, Any] = BODY, request_id: str = "r1") -> Any:
        return self.session.post(f"{self.url}/v1/completions", json=body, headers={"X-Request-Id": request_id})

    async def ready(self) -> None:
        for _ in range(2000):
            with contextlib.suppress(aiohttp.ClientError):
                async with self.session.get(f"{self.url}/stats"):
                    return
            await asyncio.sleep(0.01)

    async def record(self, request_id: str = "r1") -> ProxyRecord:
        assert await eventually(lambda: bool(proxy_records(self.log, [request_id])))
        (record,) = proxy_records(self.log, [request_id])
        return record

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(self.url + path) as answer:
            return answer.status, await answer.json()


async def eventually(condition: Callable[[], bool], limit_s: float = 5.0) -> bool:
    for _ in range(int(limit_s / 0.01)):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return condition()


def upstream(name: str, role: Role, fake: FakeUpstream) -> Upstream:
    return Upstream(name, role, fake.url, KvAddresses("127.0.0.1", 1, 2, "/kv", f"engine-{name}"))


@contextlib.asynccontextmanager
async def proxied(plan: ProxyPlan, folder: Path) -> AsyncIterator[Proxied]:
    reservation = reserve("127.0.0.1")
    log = folder / "proxy.jsonl"
    server = make_server(plan, log, "127.0.0.1", reservation.port)
    serving_task = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{reservation.port}"
    try:
        async with aiohttp.ClientSession() as session:
            running = Proxied(url, log, session)
            await running.ready()
            running.doors = server.server_state.connections
            yield running
    finally:
        server.should_exit = True
        await serving_task
        reservation.release()


@pytest.fixture
async def prefill() -> AsyncIterator[FakeUpstream]:
    async with serving(FakeUpstream(kv_transfer_params={"remote_block_ids": [1]})) as fake:
        yield fake


@pytest.fixture
async def decode() -> AsyncIterator[FakeUpstream]:
    async with serving(FakeUpstream()) as fake:
        yield fake


@pytest.fixture
async def pair(prefill: FakeUpstream, decode: FakeUpstream, tmp_path: Path) -> AsyncIterator[Proxied]:
    plan = ProxyPlan((upstream("prefill-0", "prefill", prefill), upstream("decode-0", "decode", decode)), "nixl")
    async with proxied(plan, tmp_path) as running:
        yield running


async def test_prefill_first_then_decode_with_its_answer(
    pair: Proxied, prefill: FakeUpstream, decode: FakeUpstream
) -> None:
    async with pair.post() as answer:
        text = await answer.text()
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Request-Id"] == "r1"
    assert text.count("data: {") == 3
    assert text.endswith("data: [DONE]\n\n")
    (prefill_headers, prefill_body), (decode_headers, decode_body) = prefill.requests[0], decode.requests[0]
    assert prefill_body["max_tokens"] == 1
    assert prefill_body["stream"] is False
    assert decode_body == BODY | {"kv_transfer_params": {"remote_block_ids": [1]}}
    assert prefill_headers["x-request-id"] == decode_headers["x-request-id"]
    assert prefill_headers["x-request-id"].startswith("r1-")


async def test_stamps_are_in_the_order_of_events(pair: Proxied) -> None:
    async with pair.post() as answer:
        await answer.read()
    record = await pair.record()
    assert (record.prefill_instance, record.decode_instance) == ("prefill-0", "decode-0")
    assert (record.status, record.error) == (200, None)
    stamps = [
        record.received_mono_ns,
        record.prefill_sent_mono_ns,
        record.prefill_done_mono_ns,
        record.decode_sent_mono_ns,
        record.headers_mono_ns,
        record.first_byte_mono_ns,
        record.last_byte_mono_ns,
    ]
    known = [stamp for stamp in stamps if stamp is not None]
    assert len(known) == 7
    assert known == sorted(known)


async def test_no_decode_after_a_failed_prefill(pair: Proxied, prefill: FakeUpstream, decode: FakeUpstream) -> None:
    """With some connectors decode would wait for ever for a cache that never comes."""
    prefill.status = 500
    async with pair.post() as answer:
        assert answer.status == 500
        assert await answer.json() == {"error": {"message": "scripted"}}
    assert decode.requests == []
    record = await pair.record()
    assert (record.status, record.error) == (500, "prefill-0: prefill answered 500")
    assert record.decode_sent_mono_ns is None


async def test_no_decode_where_prefill_forgot_the_transfer(
    pair: Proxied, prefill: FakeUpstream, decode: FakeUpstream
) -> None:
    prefill.kv_transfer_params = None
    async with pair.post() as answer:
        assert answer.status == 502
        assert "no kv_transfer_params" in (await answer.json())["error"]["message"]
    assert decode.requests == []


async def test_an_instance_that_is_gone_gives_a_clean_error_at_once(decode: FakeUpstream, tmp_path: Path) -> None:
    gone = FakeUpstream(url="http://127.0.0.1:9")
    plan = ProxyPlan((upstream("prefill-0", "prefill", gone), upstream("decode-0", "decode", decode)), "example")
    async with proxied(plan, tmp_path) as running, asyncio.timeout(5):
        async with running.post() as answer:
            assert answer.status == 502
            assert "prefill-0: prefill failed" in (await answer.json())["error"]["message"]
        status, health = await running.get("/health")
    assert status == 503
    assert health["instances"]["decode-0"] == "ok"
    assert "Cannot connect" in health["instances"]["prefill-0"]
    assert decode.requests == []


async def test_a_decode_instance_that_is_gone_is_named(prefill: FakeUpstream, tmp_path: Path) -> None:
    gone = FakeUpstream(url="http://127.0.0.1:9")
    plan = ProxyPlan((upstream("prefill-0", "prefill", prefill), upstream("decode-0", "decode", gone)), "nixl")
    async with proxied(plan, tmp_path) as running, asyncio.timeout(10):
        async with running.post() as answer:
            assert answer.status == 502
            assert "decode-0: request failed" in (await answer.json())["error"]["message"]
        assert (await running.get("/stats"))[1]["instances"]["decode-0"] == {"in_flight": 0, "served": 1, "failed": 1}


async def test_chunks_are_passed_on_as_they_come(pair: Proxied, decode: FakeUpstream) -> None:
    decode.num_chunks, decode.chunk_gap_s = 5, 0.1
    loop = asyncio.get_running_loop()
    async with pair.post() as answer:
        times = [loop.time() async for _ in answer.content.iter_any()]
    assert len(times) >= 5
    assert times[4] - times[0] > 0.3


async def test_a_break_in_the_stream_becomes_an_error_event(pair: Proxied, decode: FakeUpstream) -> None:
    decode.break_after = 2
    async with pair.post() as answer:
        events = (await answer.text()).strip().split("\n\n")
    assert answer.status == 200
    error = json.loads(events[-1].removeprefix("data: "))["error"]
    assert error["message"].startswith("decode-0 broke off")
    record = await pair.record()
    assert record.error == error["message"]
    assert record.last_byte_mono_ns is None
    assert (await pair.get("/stats"))[1]["instances"]["decode-0"] == {"in_flight": 0, "served": 1, "failed": 1}


async def test_a_break_before_the_first_piece_is_told_by_the_status(tmp_path: Path) -> None:
    """Headers wait for the first piece: 200 with nothing but an error in it would look like an answer."""

    async def instance(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.close()

    async with await asyncio.start_server(instance, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with proxied(ProxyPlan((Upstream("single-0", "single", url),), None), tmp_path) as running:
            async with running.post() as answer:
                assert answer.status == 502
                assert (await answer.json())["error"]["message"].startswith("single-0: request failed")
            record = await running.record()
            assert record.headers_mono_ns is not None
            assert (record.status, record.first_byte_mono_ns) == (502, None)
            assert (await running.get("/stats"))[1]["instances"]["single-0"] == {
                "in_flight": 0,
                "served": 1,
                "failed": 1,
            }


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


LAST = chunk(b"c") + chunk(b"usage") + END


@pytest.mark.parametrize(
    ("reads", "text", "num_later"),
    [
        ((STREAM_HEAD + chunk(b"a"), chunk(b"b"), LAST), b"abcusage", 2),
        ((STREAM_HEAD, chunk(b"a"), chunk(b"b"), LAST), b"abcusage", 2),
        ((STREAM_HEAD, chunk(b"a") + chunk(b"b"), LAST), b"abcusage", 1),
        ((STREAM_HEAD, LAST), b"cusage", 0),
    ],
)
async def test_what_goes_on_as_it_came_is_stamped_and_frees_all(
    reads: tuple[bytes, ...], text: bytes, num_later: int, tmp_path: Path
) -> None:
    """As an engine writes it: headers before the first token; the last, usage and end in one turn of its loop."""
    num_connections = 0

    async def instance(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal num_connections
        num_connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"}")
                for data in reads:
                    writer.write(data)
                    await asyncio.sleep(0.02)
        writer.close()

    async with await asyncio.start_server(instance, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with proxied(ProxyPlan((Upstream("single-0", "single", url),), None), tmp_path) as running:
            for request_id in ("r1", "r2"):
                async with running.post(request_id=request_id) as answer:
                    assert (answer.status, answer.content_type) == (200, "text/event-stream")
                    assert await answer.read() == text
                record = await running.record(request_id)
                assert (record.status, record.error) == (200, None)
                assert record.first_byte_mono_ns is not None
                assert record.last_byte_mono_ns is not None
                assert record.first_byte_mono_ns < record.last_byte_mono_ns
                assert record.last_byte_mono_ns - record.first_byte_mono_ns > num_later * 15e6
            assert (await running.get("/stats"))[1]["instances"]["single-0"] == {
                "in_flight": 0,
                "served": 2,
                "failed": 0,
            }
    assert num_connections == 1


async def test_prefill_and_decode_get_what_was_asked_as_it_came(
    pair: Proxied, prefill: FakeUpstream, decode: FakeUpstream
) -> None:
    """A prompt is not read: of many thousand ids that took longer than all else of a request."""
    number = 10**30  # it was a float once a parser had read it
    async with pair.post(BODY | {"seed": number}) as answer:
        assert answer.status == 200
    assert [body["seed"] for fake in (prefill, decode) for _, body in fake.requests] == [number, number]


@pytest.mark.parametrize("where", ["prefill", "decode"])
async def test_a_client_that_goes_away_cancels_upstream(
    pair: Proxied, prefill: FakeUpstream, decode: FakeUpstream, where: str
) -> None:
    fake = prefill if where == "prefill" else decode
    fake.hold = asyncio.Event()

    async def ask() -> None:
        async with pair.post() as answer:
            await answer.read()

    asking = asyncio.create_task(ask())
    assert await eventually(lambda: bool(fake.requests))
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    assert await eventually(lambda: fake.num_cancelled == 1)
    record = await pair.record()
    assert (record.status, record.error) == (499, "the client closed the connection")
    assert all(load["in_flight"] == 0 for load in (await pair.get("/stats"))[1]["instances"].values())


async def test_a_slow_client_slows_the_instance_down_instead_of_filling_memory(
    pair: Proxied, decode: FakeUpstream
) -> None:
    decode.num_chunks, decode.padding = 1000, 100_000  # 100 MB in all
    async with pair.post() as answer:
        await answer.content.readany()
        await asyncio.sleep(0.5)  # the client reads nothing more for a while
        sent = decode.num_sent
        await asyncio.sleep(0.5)
        assert decode.num_sent == sent  # it has come to a stop ...
        assert sent < 400  # ... after what the sockets' own buffers take
        body = await answer.read()
    assert body.endswith(b"data: [DONE]\n\n")


async def test_slow_clients_do_not_grow_the_proxys_process(decode: FakeUpstream, tmp_path: Path) -> None:
    """A proxy that read ahead of its clients would hold most of the 800 MB that the instance has for them."""
    decode.num_chunks, decode.padding = 1000, 100_000
    write_record(tmp_path / "plan.json", ProxyPlan((upstream("single-0", "single", decode),), None))
    with reserved("127.0.0.1") as port:
        argv = ["--plan", str(tmp_path / "plan.json"), "--log", str(tmp_path / "proxy.jsonl"), "--port", str(port)]
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "llmdvfs", "proxy", *argv, env=ENVIRONMENT)
        try:
            async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as clients:
                running = Proxied(f"http://127.0.0.1:{port}", tmp_path / "proxy.jsonl", session)
                await running.ready()
                memory = psutil.Process(process.pid).memory_info
                before = memory().rss
                for number in range(8):
                    await clients.enter_async_context(running.post(request_id=f"r{number}"))
                sent = -1
                while decode.num_sent > sent:  # until all of them wait for their clients
                    sent = decode.num_sent
                    await asyncio.sleep(0.5)
                assert sent < 8 * 400
                assert memory().rss - before < 16 * 2**20
        finally:
            process.terminate()
            await process.wait()


async def test_health_is_false_when_any_instance_is(pair: Proxied, decode: FakeUpstream) -> None:
    assert await pair.get("/health") == (200, {"instances": {"prefill-0": "ok", "decode-0": "ok"}})
    decode.healthy = False
    assert await pair.get("/health") == (
        503,
        {"instances": {"prefill-0": "ok", "decode-0": "/health answered 503"}},
    )


async def test_waiting_is_bounded(decode: FakeUpstream, tmp_path: Path) -> None:
    decode.hold = asyncio.Event()
    plan = ProxyPlan((upstream("single-0", "single", decode),), None, max_in_flight=1, max_waiting=1)
    async with proxied(plan, tmp_path) as running:

        async def ask(request_id: str) -> int:
            async with running.post(request_id=request_id) as answer:
                await answer.read()
                status: int = answer.status
                return status

        first, second = asyncio.create_task(ask("a")), asyncio.create_task(ask("b"))
        assert await eventually(lambda: bool(decode.requests))
        await asyncio.sleep(0.1)
        assert (await running.get("/stats"))[1]["waiting"] == 1
        assert await ask("c") == 503
        decode.hold.set()
        assert await asyncio.gather(first, second) == [200, 200]
        assert (await running.get("/stats"))[1]["refused"] == 1


async def test_push_sends_both_at_once(prefill: FakeUpstream, decode: FakeUpstream, tmp_path: Path) -> None:
    prefill.hold = asyncio.Event()
    plan = ProxyPlan((upstream("prefill-0", "prefill", prefill), upstream("decode-0", "decode", decode)), "nixl_push")
    async with proxied(plan, tmp_path) as running:

        async def ask() -> str:
            async with running.post() as answer:
                text: str = await answer.text()
                return text

        asking = asyncio.create_task(ask())
        assert await eventually(lambda: bool(decode.requests))  # though prefill has not answered
        prefill.hold.set()
        assert (await asking).endswith("data: [DONE]\n\n")
    (_, body) = decode.requests[0]
    assert body["kv_transfer_params"]["remote_engine_id"] == "engine-prefill-0"


async def test_push_cancels_decode_when_prefill_fails(
    prefill: FakeUpstream, decode: FakeUpstream, tmp_path: Path
) -> None:
    prefill.status = 500
    decode.hold = asyncio.Event()
    plan = ProxyPlan((upstream("prefill-0", "prefill", prefill), upstream("decode-0", "decode", decode)), "nixl_push")
    async with proxied(plan, tmp_path) as running:
        async with running.post() as answer:
            assert answer.status == 500
        # The decode request may not even have been sent; if it was, it is cancelled.
        assert await eventually(lambda: decode.num_cancelled == len(decode.requests))


async def test_push_cancels_prefill_when_decode_breaks_off(
    prefill: FakeUpstream, decode: FakeUpstream, tmp_path: Path
) -> None:
    """Prefill would push into blocks that nobody has, and its client wait for that."""
    prefill.hold = asyncio.Event()
    decode.break_after = 0
    plan = ProxyPlan((upstream("prefill-0", "prefill", prefill), upstream("decode-0", "decode", decode)), "nixl_push")
    async with proxied(plan, tmp_path) as running:
        async with asyncio.timeout(10), running.post() as answer:
            assert answer.status == 502
            assert "decode-0: request failed" in (await answer.json())["error"]["message"]
        assert await eventually(lambda: prefill.num_cancelled == len(prefill.requests))
        assert (await running.get("/stats"))[1]["instances"]["decode-0"] == {"in_flight": 0, "served": 1, "failed": 1}


async def test_a_balancer_takes_turns_and_passes_requests_unchanged(decode: FakeUpstream, tmp_path: Path) -> None:
    async with serving(FakeUpstream()) as other:
        plan = ProxyPlan((upstream("single-0", "single", decode), upstream("single-1", "single", other)), None)
        async with proxied(plan, tmp_path) as running:
            for number in range(4):
                async with running.post(request_id=f"r{number}") as answer:
                    await answer.read()
            stats = (await running.get("/stats"))[1]
        assert [len(decode.requests), len(other.requests)] == [2, 2]
        assert stats["imbalance"] == {"prefill": None, "decode": 0.0}
        headers, body = decode.requests[0]
        assert body == BODY
        assert headers["x-request-id"] == "r0"


async def test_tokens_after_the_first_are_acknowledged_less_often(
    pair: Proxied, decode: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said once an answer, since the pause before the first token makes the kernel do otherwise: after the first and,
    in every other answer among several, after the second, or answers in step would have theirs at the same tokens.
    """
    told: list[Connection] = []
    monkeypatch.setattr(Connection, "acknowledge_less", lambda connection: told.append(connection))
    decode.chunk_gap_s = 0.1
    for number in (1, 2):  # alone
        async with pair.post() as answer:
            await answer.content.readany()
            assert len(told) == number
            await answer.read()
    decode.num_chunks = 20
    async with pair.post(request_id="other") as other:
        await other.content.readany()
        decode.num_chunks = 3
        for after_first, after_second in ((4, 4), (4, 5)):
            async with pair.post() as answer:
                await answer.content.readany()
                assert len(told) == after_first
                await answer.content.readany()
                assert len(told) == after_second
                await answer.read()
        await other.read()
    assert len(told) == 5


async def test_requests_are_looked_for_where_nothing_is_under_way(pair: Proxied, decode: FakeUpstream) -> None:
    """A client that has asked cannot ask again before its answer has ended, and a look costs as much as a token."""

    (door,) = pair.doors
    looked_at = door._service.inlet._asking
    assert list(looked_at.values()) == [door]
    decode.chunk_gap_s = 0.1
    for _ in range(2):
        async with pair.post() as answer:
            await answer.content.readany()
            assert not looked_at
            await answer.read()
        assert list(looked_at.values()) == [door]
    async with pair.session.post(f"{pair.url}/v1/completions", data=b"{") as answer:
        assert answer.status == 400
    assert list(looked_at.values()) == [door]
    await pair.session.close()
    assert await eventually(lambda: not looked_at)


async def test_requests_leave_nothing_to_collect(pair: Proxied) -> None:
    """Each left 8 KiB that only the cyclic collector freed: 10 MB until it ran, and then all streams stood still."""

    async def ask() -> None:
        async with pair.post() as answer:
            await answer.read()

    await ask()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(5):
            await ask()
        gc.collect()
        ours = [found for found in gc.garbage if type(found).__module__.startswith("llmdvfs")]
        left = Counter(type(found).__qualname__ for found in ours)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert {name for name, number in left.items() if number >= 5} == set()  # what ends by chance, ends once


@pytest.mark.parametrize(
    "content", [b"{", b"", b"[1]", b'{"\xff": 1}', b'{"a": %b%b}' % (b"[" * 5000, b"]" * 5000)], ids=range(5)
)
async def test_what_is_not_a_json_object_is_the_clients_fault(pair: Proxied, content: bytes) -> None:
    async with pair.session.post(f"{pair.url}/v1/completions", data=content) as answer:
        assert answer.status == 400
        assert "not a JSON object" in (await answer.json())["error"]["message"]


async def test_a_balancer_leaves_judging_requests_to_the_instances(decode: FakeUpstream, tmp_path: Path) -> None:
    plan = ProxyPlan((upstream("single-0", "single", decode),), None)
    async with (
        proxied(plan, tmp_path) as running,
        running.session.post(f"{running.url}/v1/completions", data=b'{ "prompt" :') as answer,
    ):
        assert answer.status == 400
        assert await answer.text() == "the instance expected JSON"


async def test_models_and_tokenizer_are_an_instances(pair: Proxied) -> None:
    assert await pair.get("/v1/models") == (200, {"data": [{"id": "m"}]})
    async with pair.session.post(f"{pair.url}/tokenize", json={"prompt": "a"}) as answer:
        assert await answer.json() == {"seen": {"prompt": "a"}}


async def test_an_answer_that_is_not_streamed_is_passed_on_whole(pair: Proxied) -> None:
    async with pair.post(BODY | {"stream": False}) as answer:
        assert (await answer.json())["usage"] == {"completion_tokens": 1}


async def test_a_body_without_end_is_not_kept(pair: Proxied, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any process on the host may connect: what it sent was kept until memory was full."""
    monkeypatch.setattr(door, "MAX_BODY_BYTES", 1000)
    async with pair.post({"model": "m", "prompt": "x" * 990}) as answer:
        assert answer.status == 413
        assert "more than 1000 bytes" in await answer.text()
    async with pair.post() as answer:
        assert answer.status == 200


REQUEST = b"POST /v1/completions HTTP/1.1\r\nHost: h\r\nX-Request-Id: %b\r\n%bContent-Length: 2\r\n\r\n"


async def by_hand(running: Proxied) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))


async def test_instances_have_connections_before_there_is_a_request(tmp_path: Path) -> None:
    """As many as clients have, shared by the instances; clients that come after others have gone find them there."""
    opened: list[list[asyncio.StreamWriter]] = [[], []]

    def instance(number: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        return lambda _reader, writer: opened[number].append(writer)

    def numbers() -> list[int]:
        return [len(writers) for writers in opened]

    async with contextlib.AsyncExitStack() as servers:
        upstreams = []
        for number in range(2):
            server = await servers.enter_async_context(await asyncio.start_server(instance(number), "127.0.0.1"))
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            upstreams.append(Upstream(f"single-{number}", "single", url, KvAddresses("127.0.0.1", 1, 2, "/kv", "e")))
        async with proxied(ProxyPlan(tuple(upstreams), None), tmp_path) as running:
            for _ in range(2):
                clients = [await by_hand(running) for _ in range(5)]  # and that of the session
                assert await eventually(lambda: numbers() == [3, 3])
                for _, writer in clients:
                    writer.close()
                assert await eventually(lambda: len(running.doors) == 1)
            await asyncio.sleep(0.1)
            assert numbers() == [3, 3]
        for writer in [*opened[0], *opened[1]]:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def test_a_request_that_does_not_wait_for_the_last_answer_finds_its_connection_closed(
    decode: FakeUpstream, tmp_path: Path
) -> None:
    """Two answers at once on one connection would be taken for one another's."""
    async with proxied(ProxyPlan((upstream("single-0", "single", decode),), None), tmp_path) as running:
        reader, writer = await by_hand(running)
        writer.write((REQUEST % (b"first", b"") + b"{}") * 2)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert answer.endswith(b"}\r\n0\r\n\r\n")
    assert len(decode.requests) == 1


def asking(request_id: bytes, body: bytes = b"{}", more: bytes = b"") -> bytes:
    return REQUEST.replace(b" 2\r\n", b" %d\r\n" % len(body)) % (request_id, more) + body


async def whole(reader: asyncio.StreamReader) -> bytes:
    """Return the next answer of a connection."""
    return await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10)


@pytest.fixture
def heads_parsed(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One item for each head that the parser has read."""
    heads: list[None] = []
    begin = door.Door.on_message_begin

    def begin_and_count(connection: door.Door) -> None:
        heads.append(None)
        begin(connection)

    monkeypatch.setattr(door.Door, "on_message_begin", begin_and_count)
    return heads


@pytest.fixture
async def balanced(decode: FakeUpstream, tmp_path: Path) -> AsyncIterator[Proxied]:
    async with proxied(ProxyPlan((upstream("single-0", "single", decode),), None), tmp_path) as running:
        yield running


async def test_a_head_is_parsed_once(balanced: Proxied, decode: FakeUpstream, heads_parsed: list[None]) -> None:
    """Of each form; ids and bodies are those of each request all the same."""
    reader, writer = await by_hand(balanced)
    parsed = []
    for number, more in enumerate([b"", b"", b"A: 1\r\n", b"A: 1\r\n", b"", b""]):
        writer.write(asking(b"r%d" % number, b'{"of": %d}' % 10**number, more))
        assert b"x-request-id: r%d\r\n" % number in await whole(reader)
        parsed.append(len(heads_parsed))
    writer.close()
    assert parsed == [1, 1, 2, 2, 3, 3]
    assert [body for _, body in decode.requests] == [{"of": 10**number} for number in range(6)]
    records = [await balanced.record(f"r{number}") for number in range(6)]
    assert [record.status for record in records] == [200] * 6
    received = [record.received_mono_ns for record in records]
    assert received == sorted(received)


async def test_a_request_in_two_reads_is_parsed(balanced: Proxied, heads_parsed: list[None]) -> None:
    reader, writer = await by_hand(balanced)
    writer.write(asking(b"r1"))
    await whole(reader)
    for piece in (asking(b"r2")[:60], asking(b"r2")[60:]):
        writer.write(piece)
        await asyncio.sleep(0.1)
    assert b"x-request-id: r2\r\n" in await whole(reader)
    assert len(heads_parsed) == 2
    writer.close()


async def test_a_body_is_never_taken_for_a_request(balanced: Proxied, decode: FakeUpstream) -> None:
    """One that reads like the last request comes in a read of its own; nor is one kept as the head of the next."""
    reader, writer = await by_hand(balanced)
    writer.write(asking(b"r1"))
    await whole(reader)
    for inner in (asking(b"inner"), asking(b"inner", more=b"A: 1\r\n")):
        head, body = asking(b"outer", inner).split(b"\r\n\r\n", 1)
        writer.write(head + b"\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.write(body)
        answer = await whole(reader)
        assert answer.startswith(b"HTTP/1.1 400 ")  # by the instance: the body is no JSON
        assert b"x-request-id: outer\r\n" in answer
    assert len(decode.requests) == 1
    (connection,) = (each for each in balanced.doors if getattr(each, "_stamps", None) is not None)
    assert connection._familiar.split(asking(b"inner", more=b"A: 1\r\n")) is None
    writer.close()


async def test_a_request_behind_an_unanswered_one_to_the_application_is_not_served(
    balanced: Proxied, decode: FakeUpstream
) -> None:
    reader, writer = await by_hand(balanced)
    writer.write(asking(b"r1"))
    await whole(reader)
    decode.hold = asyncio.Event()
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.sleep(0.1)
    writer.write(asking(b"r2"))
    await asyncio.sleep(0.1)
    decode.hold.set()
    answer = await asyncio.wait_for(reader.read(), 10)  # and the connection closes
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(decode.requests) == 1
    writer.close()


async def test_a_connection_that_is_to_be_closed_is(decode: FakeUpstream, tmp_path: Path) -> None:
    async with proxied(ProxyPlan((upstream("single-0", "single", decode),), None), tmp_path) as running:
        reader, writer = await by_hand(running)
        writer.write(REQUEST % (b"r1", b"Connection: close\r\n") + b"{}")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert b"\r\nconnection: close\r\n" in answer


async def test_a_client_of_http_1_0_gets_no_chunks(decode: FakeUpstream, tmp_path: Path) -> None:
    """It does not know them: their sizes would stand in what it takes for the answer (RFC 9112, section 6.1)."""
    body = json.dumps(BODY).encode()
    head = (
        b"POST /v1/completions HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    async with proxied(ProxyPlan((upstream("single-0", "single", decode),), None), tmp_path) as running:
        async with running.post() as answer:
            expected = await answer.read()
        reader, writer = await by_hand(running)
        writer.write(head % len(body) + body)
        headers, _, pieces = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
        writer.close()
    assert headers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding" not in headers
    assert b"connection: close" in headers
    assert expected.count(b"data: ") > 1
    assert pieces == expected


async def test_a_client_that_asks_before_it_sends_its_body_is_told_to(decode: FakeUpstream, tmp_path: Path) -> None:
    """curl does so with a body of a megabyte, and otherwise waits a second."""
    async with proxied(ProxyPlan((upstream("single-0", "single", decode),), None), tmp_path) as running:
        reader, writer = await by_hand(running)
        writer.write(REQUEST % (b"r1", b"Expect: 100-continue\r\n"))
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await asyncio.wait_for(reader.readline(), 10)) == b"HTTP/1.1 200 OK\r\n"
        writer.close()


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize("parts", [1, 2, 3])
async def test_a_client_that_would_rather_speak_http2_is_served_as_it_asked(
    decode: FakeUpstream, tmp_path: Path, parts: int
) -> None:
    """curl --http2 and Java's client offer it with every request on plain HTTP: the body was taken for a request."""
    request = REQUEST % (b"r1", OFFER) + b"{}"
    cut = [0, *(request.index(b"\r\n\r\n") + 4 * number for number in range(1, parts)), len(request)]
    async with proxied(ProxyPlan((upstream("single-0", "single", decode),), None), tmp_path) as running:
        reader, writer = await by_hand(running)
        for _ in range(2):  # the connection stays
            for start, end in pairwise(cut):
                writer.write(request[start:end])
                await asyncio.sleep(0.02)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10)
        writer.close()
    assert len(decode.requests) == 2
    assert {"upgrade", "connection", "http2-settings"}.isdisjoint(decode.requests[0][0])


async def test_what_is_not_a_completion_may_offer_http2_too(pair: Proxied) -> None:
    reader, writer = await by_hand(pair)
    writer.write(b"POST /tokenize HTTP/1.1\r\nHost: h\r\n%bContent-Length: 2\r\n\r\n{}" % OFFER)
    assert await asyncio.wait_for(reader.readline(), 10) == b"HTTP/1.1 200 OK\r\n"
    assert b'{"seen": {}}' in await asyncio.wait_for(reader.readuntil(b"}}"), 10)
    writer.close()


async def test_a_tunnel_is_refused(pair: Proxied) -> None:
    reader, writer = await by_hand(pair)
    writer.write(b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 4")
    writer.close()


async def test_an_answer_goes_after_what_the_application_left_to_be_written(
    decode: FakeUpstream, tmp_path: Path
) -> None:
    """It goes to the socket at once, past the transport: there could still be the end of an answer before it."""
    async with proxied(ProxyPlan((upstream("single-0", "single", decode),), None), tmp_path) as running:
        reader, writer = await by_hand(running)
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"]}"), 10)
        ours = writer.get_extra_info("sockname")
        (opened,) = [one for one in running.doors if one.client == ours]
        left = b"." * (32 << 20)  # more than sockets take
        opened.transport.write(left)
        writer.write(REQUEST % (b"r1", b"") + b"{}")
        assert await eventually(lambda: len(decode.requests) == 1)
        assert await asyncio.wait_for(reader.readexactly(len(left)), 10) == left
        assert await asyncio.wait_for(reader.readline(), 10) == b"HTTP/1.1 200 OK\r\n"
        writer.close()


async def test_a_client_that_leaves_the_queue_takes_no_place(decode: FakeUpstream, tmp_path: Path) -> None:
    decode.hold = asyncio.Event()
    plan = ProxyPlan((upstream("single-0", "single", decode),), None, max_in_flight=1, max_waiting=1)
    async with proxied(plan, tmp_path) as running:
        writers = []
        for request_id in (b"first", b"second"):
            writers.append((await by_hand(running))[1])
            writers[-1].write(REQUEST % (request_id, b"") + b"{}")
            assert await eventually(lambda: bool(decode.requests))
        for _ in range(500):
            if (await running.get("/stats"))[1]["waiting"]:
                break
            await asyncio.sleep(0.01)
        writers[1].close()
        for _ in range(500):
            if not (await running.get("/stats"))[1]["waiting"]:
                break
            await asyncio.sleep(0.01)
        decode.hold.set()
        writers[0].close()
        async with running.post(request_id="third") as answer:
            assert answer.status == 200
            assert (await answer.text()).endswith("data: [DONE]\n\n")
        assert len(decode.requests) == 2
        assert (await running.get("/stats"))[1]["instances"]["single-0"]["in_flight"] == 0


async def test_a_client_that_leaves_as_it_gets_its_place_gives_it_back(
    decode: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place is taken a turn of the loop after it was given; its request would be computed for nobody."""
    leave = Admission.leave

    def leave_beside_a_client_that_leaves(self: Admission) -> None:
        monkeypatch.setattr(Admission, "leave", leave)
        self._waiting[0].__self__.transport.abort()  # type: ignore[attr-defined]
        leave(self)

    monkeypatch.setattr(Admission, "leave", leave_beside_a_client_that_leaves)
    decode.hold = asyncio.Event()
    plan = ProxyPlan((upstream("single-0", "single", decode),), None, max_in_flight=1, max_waiting=1)
    async with proxied(plan, tmp_path) as running:
        (_, first), (second_reader, second) = await by_hand(running), await by_hand(running)
        first.write(REQUEST % (b"first", b"") + b"{}")
        assert await eventually(lambda: bool(decode.requests))
        second.write(REQUEST % (b"second", b"") + b"{}")
        while not (await running.get("/stats"))[1]["waiting"]:
            await asyncio.sleep(0.01)
        decode.hold.set()
        assert (await asyncio.wait_for(second_reader.read(), 10)) == b""
        async with asyncio.timeout(10), running.post(request_id="third") as answer:
            assert answer.status == 200
        first.close()
        second.close()
    assert [headers["x-request-id"] for headers, _ in decode.requests] == ["first", "third"]


@pytest.mark.parametrize("where", ["start", "_go_on"])
async def test_a_fault_of_the_proxy_is_told_to_its_client(
    pair: Proxied, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """No framework stands around the door any more that would answer in its place, and the client would wait.

    A fault in what follows prefill's answer is raised within the read of another connection, which uvloop would end.
    """
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail(handover: Handover, *_: bytes) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(Handover, where, fail)
    async with asyncio.timeout(10), pair.post() as answer:
        assert answer.status == 500
        assert "unforeseen" in (await answer.json())["error"]["message"]
    assert [str(context["exception"]) for context in told] == ["unforeseen"]
    assert (await pair.record()).error == "the proxy failed: RuntimeError('unforeseen')"
    assert all(load["in_flight"] == 0 for load in (await pair.get("/stats"))[1]["instances"].values())
