"""Connections to an instance, over real sockets and byte by byte."""

import asyncio
import contextlib
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop

from llmdvfs.serving.proxy.answer import Answer
from llmdvfs.serving.proxy.inlet import Inlet
from llmdvfs.serving.proxy.pool import Pool
from llmdvfs.serving.proxy.upstream import READ_AHEAD_BYTES

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = HEAD + b"2\r\nab\r\n" + b"1\r\nc\r\n" + b"0\r\n\r\n"


class Instance:
    """Answers each request with the next of its scripts; an item None closes the connection."""

    def __init__(self, *scripts: list[bytes | None], gap_s: float | None = None) -> None:
        """gap_s: between two items of a script; None: `go_on` is waited for."""
        self._scripts = list(scripts)
        self._gap_s = gap_s
        self.requests: list[bytes] = []
        self.num_connections = 0
        self.num_lost = 0
        self.go_on = asyncio.Event()
        """Awaited between two items of a script."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                await self._answer(writer, self._scripts.pop(0))
        self.num_lost += 1
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, script: list[bytes | None]) -> None:
        for number, item in enumerate(script):
            if number:
                await (self.go_on.wait() if self._gap_s is None else asyncio.sleep(self._gap_s))
            if item is None:
                writer.close()
                return
            writer.write(item)
            await writer.drain()


@contextlib.asynccontextmanager
async def pool_of(instance: Instance) -> AsyncIterator[Pool]:
    server = await asyncio.start_server(instance.serve, "127.0.0.1")
    pool = Pool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", Inlet())
    async with server, asyncio.timeout(10):
        yield pool
        pool.close()
        while instance.num_lost < instance.num_connections:
            await asyncio.sleep(0.01)


class Seen:
    """A receiver that keeps what it is given: status and content type, then pieces and whether each is the last."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def begin(self, status: int, content_type: bytes) -> None:
        self.taken.append((status, content_type))

    def take(self, piece: bytes, is_last: bool) -> None:
        self.taken.append((piece, is_last))

    def lost(self, cause: str) -> None:
        self.taken.append(cause)

    @property
    def body(self) -> bytes:
        return b"".join(piece for piece, _ in self.taken[1:])

    async def until(self, num_taken: int) -> None:
        while len(self.taken) < num_taken:
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        while not self.taken or not (isinstance(self.taken[-1], str) or self.taken[-1][1] is True):
            await asyncio.sleep(0.01)


async def whole(pool: Pool, request_id: str, content: bytes = b"{}") -> bytes:
    pool.ask("/v1/completions", content, request_id, seen := Seen())
    await seen.end()
    return seen.body


async def test_a_connection_is_used_again() -> None:
    instance = Instance([WHOLE], [WHOLE])
    async with pool_of(instance) as pool:
        for request_id in ("r1", "r2"):
            answer = pool.ask("/v1/completions", b'{"a":1}', request_id, seen := Seen())
            await seen.end()
            assert seen.taken[0] == (200, b"text/event-stream; charset=utf-8")
            assert seen.body == b"abc"
            answer.close()  # closes nothing: it is whole
    assert instance.num_connections == 1
    assert [request.partition(b"\r\n")[0] for request in instance.requests] == [b"POST /v1/completions HTTP/1.1"] * 2
    assert b"X-Request-Id: r2\r\nContent-Length: 7\r\n\r\n" in instance.requests[1]
    assert instance.requests[1].endswith(b'\r\n\r\n{"a":1}')


async def test_two_requests_at_once_have_a_connection_each() -> None:
    instance = Instance([HEAD, WHOLE[len(HEAD) :]], [WHOLE])
    async with pool_of(instance) as pool:
        pool.ask("/v1/completions", b"{}", "r1", first := Seen())
        assert await whole(pool, "r2") == b"abc"
        instance.go_on.set()
        await first.end()
        assert first.body == b"abc"
    assert instance.num_connections == 2


async def test_pieces_are_given_as_they_come() -> None:
    instance = Instance([HEAD + b"2\r\nab\r\n", b"1\r\nc\r\n0\r\n\r\n"])
    seen = Seen()
    async with pool_of(instance) as pool:
        pool.ask("/v1/completions", b"{}", "r1", seen)
        await seen.until(2)
        assert seen.taken == [(200, b"text/event-stream; charset=utf-8"), (b"ab", False)]
        instance.go_on.set()
        await seen.end()
    assert seen.taken[2:] == [(b"c", True)]


class Forwarding(Seen):
    """A receiver that takes whole chunks as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answer

    def begin(self, status: int, content_type: bytes) -> None:
        super().begin(status, content_type)
        self.answer.forward = self.forward
        self.answer.forwarded_last = lambda: self.taken.append("last")

    def forward(self, framed: bytes) -> None:
        self.taken.append(framed)

    async def end_of(self, pool: Pool) -> list[Any]:
        """Return what an answer to one request brings, but for its head."""
        self.answer = pool.ask("/v1/completions", b"{}", "r1", self)
        await self.end()
        return self.taken[1:]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        # The parser is not asked: what came is what goes on.
        ([b"2\r\nbc\r\n"], [b"2\r\nbc\r\n"]),
        ([b"2\r\nbc\r\n1\r\nd\r\n", b"1\r\ne\r\n"], [b"2\r\nbc\r\n1\r\nd\r\n", b"1\r\ne\r\n"]),
        # The second of two has only begun.
        ([b"1\r\nb\r\n2\r\nc", b"d\r\n", b"1\r\ne\r\n"], [(b"bc", False), (b"d", False), b"1\r\ne\r\n"]),
        # A whole chunk by its looks, but inside one of 11 bytes.
        (
            [b"b\r\n", b"1\r\nd\r\n", b"efghi\r\n", b"1\r\nj\r\n"],
            [(b"1\r\nd\r\n", False), (b"efghi", False), b"1\r\nj\r\n"],
        ),
        # And one that follows half a size, the two of which are 0x11.
        ([b"1", b"1\r\nd\r\n", b"e" * 14 + b"\r", b"\n"], [(b"d\r\n", False), (b"e" * 14, False)]),
        ([b"1\r\nb\r\n", b"1;x=y\r\nc\r\n", b"1\r\nd\r\n"], [b"1\r\nb\r\n", (b"c", False), b"1\r\nd\r\n"]),
    ],
)
async def test_whole_chunks_go_on_as_they_came(reads: list[bytes], expected: list[Any]) -> None:
    script: list[bytes | None] = [HEAD + b"1\r\na\r\n", *reads, b"0\r\n\r\n"]
    instance = Instance(script, gap_s=0.02)
    async with pool_of(instance) as pool:
        assert await Forwarding().end_of(pool) == [(b"a", False), *expected, (b"", True)]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([HEAD, b"1\r\na\r\n"], [b"1\r\na\r\n"]),
        ([HEAD, b"1\r\na\r\n1\r\nb\r\n"], [b"1\r\na\r\n1\r\nb\r\n"]),
        ([HEAD[:-4], b"\r\n\r\n", b"1\r\na\r\n"], [b"1\r\na\r\n"]),
        ([HEAD.replace(b": chunked", b":Chunked"), b"1\r\na\r\n"], [b"1\r\na\r\n"]),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"1\r\na\r\n"], [b"1\r\na\r\n"]),
        # The parser's: what came with the headers, and what follows the beginning of a chunk that did.
        ([HEAD + b"1\r\na\r\n"], [(b"a", False)]),
        ([HEAD + b"b\r\n", b"1\r\nd\r\n", b"efghi\r\n"], [(b"1\r\nd\r\n", False), (b"efghi", False)]),
        ([HEAD + b"1", b"1\r\nd\r\n", b"e" * 14 + b"\r", b"\n"], [(b"d\r\n", False), (b"e" * 14, False)]),
        ([HEAD.replace(b"chunked", b"gzip, chunked"), b"1\r\na\r\n"], [(b"a", False)]),
    ],
)
async def test_a_first_chunk_goes_on_as_it_came_where_the_headers_came_before_it(
    reads: list[bytes], expected: list[Any]
) -> None:
    """On a connection that has had an answer in chunks, and stands where chunks end."""
    instance = Instance([WHOLE], [*reads, b"0\r\n\r\n"], gap_s=0.02)
    async with pool_of(instance) as pool:
        await whole(pool, "r1")
        assert await Forwarding().end_of(pool) == [*expected, (b"", True)]
    assert instance.num_connections == 1


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([b"1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"], [b"1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", "last", (b"", True)]),
        ([b"1\r\nb\r\n", b"1\r\nc\r\n0\r\n\r\n"], [b"1\r\nb\r\n", b"1\r\nc\r\n0\r\n\r\n", "last", (b"", True)]),
        # By their looks, but inside a chunk of 11 bytes.
        ([b"b\r\n", b"1\r\nd\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"], [(b"1\r\nd\r\n0\r\n\r\n", False), (b"", True)]),
        # The parser's: an end alone, one in two reads, one with a trailer or with a size in another writing before it.
        ([b"0\r\n\r\n"], [(b"", True)]),
        ([b"1\r\nb\r\n0\r\n", b"\r\n"], [(b"b", False), (b"", True)]),
        ([b"1\r\nb\r\n0\r\nX: 1\r\n\r\n"], [(b"b", True)]),
        ([b"01\r\nb\r\n0\r\n\r\n"], [(b"b", True)]),
    ],
)
async def test_last_chunks_that_come_with_the_end_go_on_as_they_came(reads: list[bytes], expected: list[Any]) -> None:
    script: list[bytes | None] = [HEAD + b"1\r\na\r\n", *reads]
    instance = Instance(script, script, gap_s=0.02)
    async with pool_of(instance) as pool:
        for _ in range(2):
            assert await Forwarding().end_of(pool) == [(b"a", False), *expected]
    assert instance.num_connections == 1


async def test_a_client_that_is_slow_with_the_end_stops_nobody_elses_answer() -> None:
    """It is told to wait while the end is written to it, when the connection's part is done."""

    class Slow(Forwarding):
        def forward(self, framed: bytes) -> None:
            super().forward(framed)
            self.answer.pause()

    script: list[bytes | None] = [HEAD + b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"]
    instance = Instance(script, script, gap_s=0.02)
    async with pool_of(instance) as pool:
        for _ in range(2):
            assert await Slow().end_of(pool) == [(b"a", False), b"1\r\nb\r\n0\r\n\r\n", "last", (b"", True)]
    assert instance.num_connections == 1


async def test_a_body_of_a_known_length_is_no_chunks_whatever_it_looks_like() -> None:
    """Nor is it after an answer that was: the connection is the same."""
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n"
    instance = Instance([WHOLE], [plain, b"1\r\nb\r\n"[:2] + b"\r\n", b"1\r\nb\r\n", b"1234"], gap_s=0.02)
    async with pool_of(instance) as pool:
        await whole(pool, "r1")
        taken = await Forwarding().end_of(pool)
    assert taken == [(b"1\r\r\n", False), (b"1\r\nb\r\n", False), (b"1234", True)]
    assert instance.num_connections == 1


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([b"", None], "closed the connection before the end"),
        ([b"SMTP ready\r\n", None], "does not speak HTTP"),
    ],
)
async def test_what_is_no_answer_is_told_at_once(script: list[bytes | None], expected: str, is_held: bool) -> None:
    instance = Instance(script)
    instance.go_on.set()
    async with pool_of(instance) as pool:
        pool.ask("/v1/completions", b"{}", "r1", seen := Seen(), is_held=is_held)
        await seen.end()
        (cause,) = seen.taken
        assert expected in cause


async def test_what_came_before_a_break_is_given_first() -> None:
    instance = Instance([HEAD + b"2\r\nab\r\n", None])
    async with pool_of(instance) as pool:
        pool.ask("/v1/completions", b"{}", "r1", seen := Seen())
        instance.go_on.set()
        await seen.until(3)
        assert seen.taken[1:] == [(b"ab", False), "it closed the connection before the end of the answer"]


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_tokens_may_be_acknowledged_less_often(new_event_loop: Any) -> None:
    """Each was, within the read that brought it: the kernel turns to that where nothing is sent back for 40 ms."""

    async def story() -> None:
        instance = Instance([HEAD, b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"], gap_s=0.1)
        async with pool_of(instance) as pool:
            answer = pool.ask("/v1/completions", b"{}", "r1", seen := Seen())
            await seen.until(2)
            carrier: Any = answer.carrier
            upstream = carrier._outlet.transport.get_extra_info("socket")
            assert upstream.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
            answer.acknowledge_less()
            assert not upstream.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
            await seen.end()
            answer.acknowledge_less()  # which has no connection left
            assert seen.body == b"ab"

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(story())


async def test_closing_an_unfinished_answer_drops_its_connection() -> None:
    instance = Instance([HEAD, WHOLE[len(HEAD) :]], [WHOLE])
    async with pool_of(instance) as pool:
        answer = pool.ask("/v1/completions", b"{}", "r1", seen := Seen())
        await seen.until(1)
        answer.close()
        instance.go_on.set()
        while instance.num_lost == 0:
            await asyncio.sleep(0.01)
        assert await whole(pool, "r2") == b"abc"
    assert instance.num_connections == 2
    assert seen.taken == [(200, b"text/event-stream; charset=utf-8")]


async def test_a_connection_that_is_no_longer_wanted_when_it_is_there_serves_the_next_request() -> None:
    instance = Instance([WHOLE])
    async with pool_of(instance) as pool:
        pool.ask("/v1/completions", b"{}", "r1", seen := Seen()).close()
        while instance.num_connections == 0:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert await whole(pool, "r2") == b"abc"
    assert instance.num_connections == 1
    assert len(instance.requests) == 1
    assert seen.taken == []


@pytest.mark.parametrize("left_over", [None, b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_a_connection_that_was_closed_or_spoke_unasked_is_not_used_again(left_over: bytes | None) -> None:
    """Whatever follows such bytes would be taken for the next request's answer."""
    instance = Instance([WHOLE, left_over], [WHOLE])
    async with pool_of(instance) as pool:
        assert await whole(pool, "r1") == b"abc"
        instance.go_on.set()
        await asyncio.sleep(0.1)
        assert await whole(pool, "r2") == b"abc"
    assert instance.num_connections == 2


@pytest.mark.parametrize("more", [WHOLE, b"HTTP", b"?"])
async def test_a_connection_that_says_more_than_one_answer_is_not_used_again(more: bytes) -> None:
    """What came with the end of an answer was kept by the parser, which the next answer has too."""
    instance = Instance([WHOLE + more], [WHOLE])
    async with pool_of(instance) as pool:
        assert await whole(pool, "r1") == b"abc"
        assert await whole(pool, "r2") == b"abc"
    assert instance.num_connections == 2


async def test_a_server_that_closes_is_believed() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    instance = Instance([closing], [closing])
    async with pool_of(instance) as pool:
        for request_id in ("r1", "r2"):
            assert await whole(pool, request_id) == b"abc"
    assert instance.num_connections == 2


async def test_reading_stops_while_an_answer_is_held() -> None:
    """100 MB for a receiver that is given nothing yet: what does not fit the sockets stays with the instance."""
    piece = b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n"
    instance = Instance([HEAD, *[piece] * 1000, b"0\r\n\r\n"])
    instance.go_on.set()
    async with pool_of(instance) as pool:
        answer = pool.ask("/v1/completions", b"{}", "r1", seen := Seen(), is_held=True)
        await asyncio.sleep(0.3)
        assert seen.taken == []
        answer.release()
        assert READ_AHEAD_BYTES < len(seen.body) < 10 * READ_AHEAD_BYTES
        await seen.end()
        assert sum(len(piece) for piece, _ in seen.taken[1:]) == 100_000_000


async def test_a_connection_opened_beforehand_is_used() -> None:
    instance = Instance([WHOLE], [WHOLE])
    instance.go_on.set()
    async with pool_of(instance) as pool:
        for _ in range(3):
            pool.prepare(2)  # the third finds enough
        while instance.num_connections < 2:
            await asyncio.sleep(0.01)
        first, second = Seen(), Seen()
        pool.ask("/v1/completions", b"{}", "r1", first)
        pool.ask("/v1/completions", b"{}", "r2", second)
        await first.end()
        await second.end()
        assert (first.body, second.body, instance.num_connections) == (b"abc", b"abc", 2)


async def test_requests_take_the_connections_that_are_being_opened() -> None:
    """One was being opened and is taken by the first; a second is opened for the other, and none for who has gone."""
    instance = Instance([WHOLE], [WHOLE])
    instance.go_on.set()
    async with pool_of(instance) as pool:
        pool.prepare(1)
        gone, first, second = Seen(), Seen(), Seen()
        pool.ask("/v1/completions", b"{}", "r0", gone).close()
        pool.ask("/v1/completions", b"{}", "r1", first)
        pool.ask("/v1/completions", b"{}", "r2", second)
        await first.end()
        await second.end()
        assert (first.body, second.body, gone.taken) == (b"abc", b"abc", [])
        assert instance.num_connections <= 3


async def test_each_request_without_a_connection_is_told() -> None:
    """Also where one was being opened beforehand; a failure of one that nobody waits for is nobody's."""
    pool = Pool("http://127.0.0.1:9", Inlet())
    pool.prepare(1)
    async with asyncio.timeout(10):
        while pool._num_opening:
            await asyncio.sleep(0.01)
        pool.prepare(1)
        asked = [Seen() for _ in range(3)]
        for seen in asked:
            pool.ask("/v1/completions", b"{}", "r1", seen)
        for seen in asked:
            await seen.end()
    assert all("9" in seen.taken[0] for seen in asked)


async def test_nobody_there_is_told() -> None:
    Pool("http://127.0.0.1:9", Inlet()).ask("/v1/completions", b"{}", "r1", seen := Seen())
    async with asyncio.timeout(10):
        await seen.end()
    assert "9" in seen.taken[0]


async def test_answers_that_never_came_leave_nothing_to_collect() -> None:
    """Answer and parser refer to each other: each stayed until a collection, which stops all streams."""
    pool = Pool("http://127.0.0.1:9", Inlet())
    answer = weakref.ref(pool.ask("/v1/completions", b"{}", "r1", seen := Seen()))
    closed = pool.ask("/v1/completions", b"{}", "r2", Seen())
    closed.close()
    closed_too = weakref.ref(closed)
    del closed
    gc.disable()
    try:
        async with asyncio.timeout(10):
            await seen.end()
            while answer() is not None or closed_too() is not None:
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


async def test_an_interim_answer_is_passed_over() -> None:
    """`100 Continue` was taken for the answer: the connection was given back, and the next request got this one's."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    instance = Instance([interim + WHOLE], [interim, WHOLE])
    instance.go_on.set()
    async with pool_of(instance) as pool:
        for request_id in ("r1", "r2"):
            pool.ask("/v1/completions", b"{}", request_id, seen := Seen())
            await seen.end()
            assert (seen.taken[0][0], seen.body) == (200, b"abc")
    assert instance.num_connections == 1
