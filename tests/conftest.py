"""Fixtures of all tests."""

import socket
from collections.abc import Iterator

import pytest

pytest_plugins = ["fakes.nvml.fixtures"]


@pytest.fixture
def unused_tcp_listener() -> Iterator[int]:
    """A loopback port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
