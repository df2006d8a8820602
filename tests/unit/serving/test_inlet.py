"""Requests are read before the tokens that came first, and by nobody twice."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from llmdvfs.serving.proxy.inlet import TOKENS_BETWEEN, Inlet
from llmdvfs.serving.proxy.pool import Pool

NUM_STREAMS = 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKEN = b"1\r\n.\r\n"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    """Run a test on each kind of loop: only the proxy's own process has uvloop."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


class Client(asyncio.Protocol):
    """The proxy's side of a client's connection."""

    def __init__(self, on_read: Callable[[bytes], None]) -> None:
        self._on_read = on_read
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._on_read(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True


@contextlib.asynccontextmanager
async def client_of(inlet: Inlet, on_read: Callable[[bytes], None]) -> AsyncIterator[tuple[Client, socket.socket]]:
    """A connection that the inlet watches, and the socket at its other end."""
    ours, theirs = socket.socketpair()
    with theirs:
        _, client = await asyncio.get_running_loop().create_connection(lambda: Client(on_read), sock=ours)
        fd = ours.fileno()
        inlet.add(fd, client)
        yield client, theirs
        client.transport.abort()
        inlet.expect_none(fd)


class Seen:
    """A receiver that tells of each piece."""

    def __init__(self, on_piece: Callable[[], None]) -> None:
        self._on_piece = on_piece

    def begin(self, status: int, content_type: bytes) -> None: ...

    def take(self, piece: bytes, is_last: bool) -> None:
        if piece:
            self._on_piece()

    def lost(self, cause: str) -> None: ...


def test_a_request_goes_before_the_tokens_that_came_with_the_turn(run: Any) -> None:
    """With 256 streams a request waited 1.8 ms behind tokens, all that the loop had found when its turn began."""

    async def story() -> None:
        writers: list[asyncio.StreamWriter] = []
        events: list[str] = []
        inlet = Inlet()

        async def instance(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"{}")
            writer.write(HEAD)
            writers.append(writer)

        def on_piece() -> None:
            if not events:  # the turn is under way
                theirs.sendall(b"request")
            events.append("token")

        server = await asyncio.start_server(instance, "127.0.0.1")
        pool = Pool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", inlet)
        async with client_of(inlet, lambda data: events.append(data.decode())) as (_, theirs):
            answers = [pool.ask("/", b"{}", "r", Seen(on_piece)) for _ in range(NUM_STREAMS)]
            while len(writers) < NUM_STREAMS:
                await asyncio.sleep(0.01)
            for writer in writers:
                writer.write(TOKEN)
            while len(events) < NUM_STREAMS + 1:
                await asyncio.sleep(0.01)
        assert 1 <= events.index("request") <= TOKENS_BETWEEN
        assert events.count("request") == 1
        for answer in answers:
            answer.close()
        server.close()
        for writer in writers:
            writer.close()

    run(story())


def looks(inlet: Inlet) -> None:
    for _ in range(TOKENS_BETWEEN):
        inlet.after_token()


def test_what_the_loop_has_read_is_not_read_again(run: Any) -> None:
    async def story() -> None:
        read: list[bytes] = []
        inlet = Inlet()
        async with client_of(inlet, read.append) as (_, theirs):
            theirs.sendall(b"by the loop")
            await asyncio.sleep(0.05)
            looks(inlet)
            assert read == [b"by the loop"]
            theirs.sendall(b"by the inlet")
            looks(inlet)
            assert read == [b"by the loop", b"by the inlet"]
            await asyncio.sleep(0.05)
            assert len(read) == 2

    run(story())


def test_a_connection_that_is_being_served_is_left_to_the_loop(run: Any) -> None:
    """What it sends is no request, or one that comes too early; after its answer it is looked at as before."""

    async def story() -> None:
        read: list[bytes] = []
        inlet = Inlet()
        async with client_of(inlet, read.append) as (client, theirs), client_of(inlet, read.append) as (other, others):
            fds = [each.transport.get_extra_info("socket").fileno() for each in (client, other)]
            inlet.expect_none(fds[0])
            theirs.sendall(b"too early")
            looks(inlet)
            assert read == []
            others.sendall(b"request")
            looks(inlet)
            assert read == [b"request"]
            inlet.expect_none(fds[1])
            looks(inlet)
            await asyncio.sleep(0.05)
            assert read == [b"request", b"too early"]
            inlet.expect(fds[0], client)
            theirs.sendall(b"request")
            looks(inlet)
            assert read == [b"request", b"too early", b"request"]

    run(story())


def test_a_connection_that_is_not_to_be_read_is_not(run: Any) -> None:
    """Its reading was paused, since the application has not taken yet what it was given; or it is closing."""

    async def story() -> None:
        read: list[bytes] = []
        inlet = Inlet()
        async with client_of(inlet, read.append) as (client, theirs):
            client.transport.pause_reading()
            theirs.sendall(b"request")
            looks(inlet)
            assert read == []
            client.transport.resume_reading()
            await asyncio.sleep(0.05)
            assert read == [b"request"]
            client.transport.close()
            theirs.sendall(b"another")
            looks(inlet)
            assert read == [b"request"]

    run(story())


def test_the_end_of_a_connection_is_left_to_the_loop(run: Any) -> None:
    async def story() -> None:
        read: list[bytes] = []
        inlet = Inlet()
        async with client_of(inlet, read.append) as (client, theirs):
            theirs.shutdown(socket.SHUT_RDWR)
            looks(inlet)
            assert not client.is_lost
            await asyncio.sleep(0.05)
            assert client.is_lost
            assert read == []

    run(story())


def test_many_requests_do_not_stop_all_tokens(run: Any) -> None:
    async def story() -> None:
        read: list[bytes] = []
        inlet = Inlet()
        async with contextlib.AsyncExitStack() as clients:
            opened = [await clients.enter_async_context(client_of(inlet, read.append)) for _ in range(20)]
            for _, theirs in opened:
                theirs.sendall(b"request")
            looks(inlet)
            assert len(read) == 1
            looks(inlet)
            assert len(read) == 2
            await asyncio.sleep(0.05)
            assert len(read) == 20

    run(story())


def test_an_error_in_one_clients_request_is_that_clients_alone(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It would rise into the connection of the instance whose token comes next, and end another client's stream."""

    def fails(data: bytes) -> None:
        raise ValueError("cannot be")

    async def story() -> None:
        inlet = Inlet()
        async with client_of(inlet, fails) as (client, theirs):
            theirs.sendall(b"a request")
            looks(inlet)
            await asyncio.sleep(0.05)
            assert client.is_lost

    run(story())
    assert "an error that should not happen" in caplog.text
