"""Connections that the server closes, and servers at one of several addresses."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from llmdvfs.errors import ServerNotReady
from llmdvfs.load.wire.completion import read_completion
from llmdvfs.load.wire.connection import Connection
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.pool import ConnectionPool
from llmdvfs.load.wire.request import target

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


def exchange() -> Exchange:
    return Exchange(0, "id", None, 8, 4)


async def connected(done: list[Exchange]) -> tuple[Connection, socket.socket]:
    """Return a connection over a pair of sockets, and the server's end."""
    own, servers = socket.socketpair()
    own.setblocking(False)
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(lambda _, ended: done.append(ended), lambda _: None), sock=own
    )
    return connection, servers


def test_a_request_is_not_written_to_whoever_has_the_descriptor_now() -> None:
    """A server closed a connection that it had just accepted; the kernel gave its number to the next socket.

    The request was written by number, and so into the middle of another request's stream.
    """

    async def scenario() -> None:
        done: list[Exchange] = []
        connection, servers = await connected(done)
        servers.close()
        while connection.reusable:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # the transport closes the descriptor
        pairs = [socket.socketpair() for _ in range(4)]  # the lowest free numbers: one of them is the connection's
        request = exchange()
        connection.send(request, b"POST / HTTP/1.1\r\n\r\n")
        ends = [end for pair in pairs for end in pair]
        for end in ends:
            end.setblocking(False)
            with pytest.raises(BlockingIOError):
                end.recv(1)
        for end in ends:
            end.close()
        assert (request.failure, request.sent_mono_ns, done) == ("closed", None, [request])

    asyncio.run(scenario())


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", EARLY_HINTS])
@pytest.mark.parametrize("comes_with_the_answer", [True, False])
def test_an_interim_answer_is_not_the_answer(interim: bytes, comes_with_the_answer: bool) -> None:
    """`100 Continue` ended the request, and every later answer on the connection belonged to the request before."""
    pieces = [interim + ANSWER] if comes_with_the_answer else [interim, ANSWER]

    async def scenario() -> None:
        done: list[Exchange] = []
        connection, servers = await connected(done)
        for number in (1, 2):
            request = exchange()
            connection.send(request, b"POST / HTTP/1.1\r\n\r\n")
            for piece in pieces:
                servers.send(piece)
                await asyncio.sleep(0.02)
            assert done == [request]
            assert (request.failure, connection.status) == (None, 200), number
            answer = read_completion(request.reads)
            assert (answer.status, answer.body, answer.headers, answer.complete) == (
                200,
                b"hi",
                {"content-length": "2"},
                True,
            )
            assert answer.headers_mono_ns == request.reads[-1][0]
            done.clear()
        connection.close()
        servers.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(("listens", "first"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_every_address_of_a_name_is_tried(listens: str, first: str) -> None:
    """`localhost` was ::1 and the server listened on IPv4 alone: /health was well, and no request arrived."""
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    try:
        listener = socket.create_server((listens, 0), family=family)
    except OSError:
        pytest.skip(f"this host has no {listens}")
    port = listener.getsockname()[1]

    async def scenario(pool_of: Callable[[], ConnectionPool]) -> None:
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def resolve(host: str, *args: object, **more: object) -> list[object]:
            if host != "both.test":
                return list(await real(host, *args, **more))  # type: ignore[arg-type]
            return [(None, None, None, "", (address, port)) for address in (first, listens)]

        loop.getaddrinfo = resolve  # type: ignore[assignment, method-assign]
        pool = pool_of()
        await pool.open(3, 0)
        assert pool.num_opened == 3
        await pool.close()

    to = target(f"http://both.test:{port}", endpoint="chat", model="m", api_key=None)
    asyncio.run(scenario(lambda: ConnectionPool(to, lambda *_: None)))
    listener.close()
    with pytest.raises(ServerNotReady, match=r"refused|Connect call failed"):
        asyncio.run(scenario(lambda: ConnectionPool(to, lambda *_: None)))
