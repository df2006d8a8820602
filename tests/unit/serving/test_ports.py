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


def can_be_bound(port: int) -> bool:
    with socket.socket() as stranger:
        try:
            stranger.bind((HOST, port))
        except OSError:
            return False
        return True


def test_a_range_is_consecutive_and_freed_together() -> None:
    """A range may hold ports whose connections, of other tests, have just ended: nobody may bind them (TIME_WAIT).

    So of five ranges one at least has to be free after its release.
    """

    def is_free_after_release() -> bool:
        reservation = reserve(HOST, count=3)
        ports = range(reservation.port, reservation.port + 3)
        assert not any(can_be_bound(port) for port in ports)
        reservation.release()
        return all(can_be_bound(port) for port in ports)

    assert any(is_free_after_release() for _ in range(5))


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
