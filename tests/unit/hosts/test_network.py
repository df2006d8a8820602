"""The network between hosts: echoes, a counted stream, and who is answered."""

import socket
import time
from collections.abc import Iterator

import pytest

from llmdvfs.errors import ServerNotReady
from llmdvfs.hosts.echo import EchoServer
from llmdvfs.hosts.link_watch import LinkWatch, is_lost
from llmdvfs.hosts.network import connect, measure_path, own_address, ping

LOOPBACK = "127.0.0.1"


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    server = EchoServer(LOOPBACK)
    server.allow([LOOPBACK])
    yield server
    server.close()


def test_a_path_is_measured(echo: EchoServer) -> None:
    path = measure_path(LOOPBACK, echo.port, stream_s=0.1)
    assert 0 < path.round_trip_s < 0.1
    assert path.rate_bytes_per_s > 1e6


def test_whoever_is_no_host_of_the_study_is_not_answered() -> None:
    server = EchoServer(LOOPBACK)
    server.allow(["127.0.0.2"])
    with connect(LOOPBACK, server.port, 5.0) as stranger, pytest.raises(OSError, match=r"closed|reset|Broken pipe"):
        ping(stranger)
    server.close()


def test_a_closed_server_gives_its_port_back(echo: EchoServer) -> None:
    echo.close()
    with socket.create_server((LOOPBACK, echo.port)):
        pass


def test_a_host_that_does_not_answer_is_told_with_what_to_do(unused_tcp_listener: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServerNotReady, match=r"the network to 127\.0\.0\.1 cannot be measured: .*refused.*firewalls"):
        measure_path(LOOPBACK, port)
    with pytest.raises(ServerNotReady, match="cannot be reached from here by TCP"):
        own_address(LOOPBACK, port)


def test_a_link_is_silent_from_when_the_other_side_stopped_answering(echo: EchoServer) -> None:
    assert own_address(LOOPBACK, echo.port) == LOOPBACK
    link = LinkWatch(LOOPBACK, echo.port)
    deadline = time.monotonic() + 10
    while link.silent_s() > 0.1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert link.silent_s() < 10
    assert (is_lost(4.9), is_lost(5.1)) == (False, True)
    link.close()
