"""Measures the network from this host to another one's agent: the round trip, and what one TCP stream carries."""

import socket
import statistics
import struct
import time
from dataclasses import dataclass

from llmdvfs.errors import ServerNotReady
from llmdvfs.hosts.echo import COUNT, COUNT_FORMAT, ECHO, MESSAGE_BYTES, PIECE_BYTES

NUM_ROUND_TRIPS = 50
STREAM_S = 1.0
LIMIT_S = 10.0
"""For an answer: a stream of a second may still be on its way for a while, behind a full buffer."""


@dataclass(frozen=True, slots=True)
class PathFound:
    """What was measured of the way to another host."""

    round_trip_s: float
    """Median of small messages, there and back."""
    rate_bytes_per_s: float
    """Of one TCP stream, from its first byte to the answer that its last one has come."""


def measure_path(address: str, port: int, stream_s: float = STREAM_S) -> PathFound:
    """Measure the way to another host's echo server; ServerNotReady where it does not answer."""
    try:
        return PathFound(_round_trip_s(address, port), _rate_bytes_per_s(address, port, stream_s))
    except OSError as error:
        raise ServerNotReady(
            f"the network to {address} cannot be measured: {error}; expected that the hosts reach each other by TCP on "
            "any port: look at addresses (serving.hosts) and firewalls"
        ) from error


def _round_trip_s(address: str, port: int) -> float:
    took_s = []
    with _connected(address, port, ECHO) as connection:
        for _ in range(NUM_ROUND_TRIPS):
            begin = time.perf_counter()
            ping(connection)
            took_s.append(time.perf_counter() - begin)
    return statistics.median(took_s)


def ping(connection: socket.socket) -> None:
    """Send one small message over a connection to an echo server and wait for it; OSError where it does not come."""
    connection.sendall(bytes(MESSAGE_BYTES))
    missing = MESSAGE_BYTES
    while missing:
        received = len(connection.recv(missing))
        if not received:
            raise ConnectionResetError("the other side has closed the connection")
        missing -= received


def _rate_bytes_per_s(address: str, port: int, stream_s: float) -> float:
    piece = bytes(PIECE_BYTES)
    with _connected(address, port, COUNT) as connection:
        begin = time.perf_counter()
        while time.perf_counter() - begin < stream_s:
            connection.send(piece)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while len(answer) < struct.calcsize(COUNT_FORMAT):
            more = connection.recv(struct.calcsize(COUNT_FORMAT) - len(answer))
            if not more:
                raise ConnectionResetError("the other side has closed the connection")
            answer += more
        took_s = time.perf_counter() - begin
    return int(struct.unpack(COUNT_FORMAT, answer)[0]) / took_s


def _connected(address: str, port: int, wish: bytes) -> socket.socket:
    connection = connect(address, port, LIMIT_S)
    connection.sendall(wish)
    return connection


def connect(address: str, port: int, limit_s: float) -> socket.socket:
    """Return a connection without delay of small messages; OSError where there is none within the limit."""
    connection = socket.create_connection((address, port), timeout=limit_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def own_address(address: str, port: int) -> str:
    """Return the address of this host at which another one sees it; ServerNotReady where there is no way there."""
    try:
        with connect(address, port, LIMIT_S) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise ServerNotReady(
            f"{address} cannot be reached from here by TCP ({error}), though its agent answers; expected the address "
            "at which all hosts reach each other (serving.hosts)"
        ) from error
