"""Fixtures of all tests."""

import atexit
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from llmdvfs.host.capabilities import ZEUSD_VARIABLE
from llmdvfs.host.lock import LOCK_FOLDER_VARIABLE

# Tests neither wait for a measurement on this machine nor hold one up.
LOCKS = tempfile.mkdtemp(prefix="llmdvfs-test-locks-")
os.environ[LOCK_FOLDER_VARIABLE] = LOCKS
atexit.register(shutil.rmtree, LOCKS, ignore_errors=True)

# A daemon on this machine would set real GPUs. (`sudo nvidia-smi` is given the UUIDs of fakes, which it does not know.)
os.environ[ZEUSD_VARIABLE] = f"{LOCKS}/no-zeusd.sock"

# A property holds on a busy machine too.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

pytest_plugins = ["fakes.nvml.fixtures", "sharing"]


@pytest.fixture
def unused_tcp_listener() -> Iterator[int]:
    """A loopback port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
