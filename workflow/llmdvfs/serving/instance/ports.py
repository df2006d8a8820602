"""Finds free ports, and keeps them until the server that they are meant for has taken them."""

import contextlib
import socket
from collections.abc import Iterator

import psutil

from llmdvfs.errors import ServerNotReady

MAX_TRIES = 50


class Reservation:
    """A range of consecutive ports that is given to nobody else.

    The sockets are bound but do not listen, and have SO_REUSEADDR: a server that sets it too (vLLM, hypercorn and
    ZeroMQ do) can bind and listen beside them, while the kernel hands the port to no other process.
    """

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self.port: int = sockets[0].getsockname()[1]
        """The first of the range."""

    def release(self) -> None:
        """Give the ports up: their server listens now, or never will."""
        for held in self._sockets:
            held.close()


def reserve(host: str, port: int = 0, count: int = 1) -> Reservation:
    """Reserve `count` consecutive ports, the first being `port` or any; ServerNotReady names who holds a wanted one."""
    for _ in range(MAX_TRIES):
        try:
            return Reservation(_bind_range(host, port, count))
        except OSError as error:
            if port or count == 1:
                raise ServerNotReady(
                    f"port {port} on {host} cannot be taken: {owner_of(port) or error.strerror}"
                ) from error
    raise ServerNotReady(f"no {count} consecutive free ports on {host} after {MAX_TRIES} tries; close some servers")


def _bind_range(host: str, port: int, count: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as on_failure:
        for offset in range(count):
            held = on_failure.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((host, port + offset if port else 0))
            port = port or held.getsockname()[1]
            sockets.append(held)
        on_failure.pop_all()
    return sockets


@contextlib.contextmanager
def reserved(host: str, port: int = 0, count: int = 1) -> Iterator[int]:
    """Reserve ports for the length of a block, and yield the first one."""
    reservation = reserve(host, port, count)
    try:
        yield reservation.port
    finally:
        reservation.release()


def owner_of(port: int) -> str | None:
    """Return in words who listens on a port; None: nobody that this user may see."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            if connection.pid is None:
                return "held by a process of another user; choose another port"
            try:
                command = " ".join(psutil.Process(connection.pid).cmdline())[:120]
            except psutil.Error:
                command = "command unknown"
            return f"held by process {connection.pid} ({command}); stop it or choose another port"
    return None


def is_listening(host: str, port: int) -> bool:
    """Return whether somebody accepts connections on a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
