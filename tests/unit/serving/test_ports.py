import os
import socket

import pytest

from llmdvfs.errors import ServerNotReady
from llmdvfs.serving.instance.ports import is_listening, owner_of, reserve, reserved

HOST = "127.0.0.1"


def test_a_reserved_port_is_given_to_nobody_else_but_can_be_taken_by_its_server() -> None:
    with reserved(HOST) as port:
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind((HOST, port))
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as vLLM, hypercorn and ZeroMQ do
            server.bind((HOST, port))
            server.listen()
            assert is_listening(HOST, port)


def test_two_reservations_are_two_ports() -> None:
    with reserved(HOST) as one, reserved(HOST) as other:
        assert one != other


def test_a_range_is_consecutive_and_freed_together() -> None:
    reservation = reserve(HOST, count=3)
    ports = range(reservation.port, reservation.port + 3)
    for port in ports:
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind((HOST, port))
    reservation.release()
    for port in ports:
        with socket.socket() as stranger:
            stranger.bind((HOST, port))


def test_a_taken_port_is_named_with_its_owner(unused_tcp_listener: int) -> None:
    with pytest.raises(ServerNotReady) as refused:
        reserve(HOST, unused_tcp_listener)
    message = str(refused.value)
    assert f"port {unused_tcp_listener} on {HOST} cannot be taken" in message
    assert f"process {os.getpid()} (" in message
    assert "stop it or choose another port" in message


def test_nobody_owns_a_free_port() -> None:
    with reserved(HOST) as port:
        pass
    assert owner_of(port) is None
    assert not is_listening(HOST, port)
