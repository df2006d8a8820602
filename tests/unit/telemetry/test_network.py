"""Rates of network devices, as the kernel's files say them."""

from pathlib import Path

import pytest

from llmdvfs.records.host import NetworkPath
from llmdvfs.telemetry.network import network_path


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    files = {
        "infiniband/mlx5_0/ports/1/rate": "400 Gb/sec (4X NDR)\n",
        "infiniband/mlx5_1/ports/1/rate": "200 Gb/sec (4X HDR)\n",
        "net/eth0/speed": "25000\n",
        "net/veth0/speed": "-1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("devices", "rate_bytes_per_s"),
    [
        (("mlx5_0:1",), 50e9),
        (("mlx5_0",), 50e9),
        (("mlx5_0:1", "mlx5_1:1"), 75e9),
        (("eth0",), 3.125e9),
        (("mlx5_0:2",), None),  # no such port
        (("veth0",), None),
        (("eth0", "veth0"), None),  # one of them is not known, so neither is the sum
    ],
)
def test_rates(sysfs: Path, devices: tuple[str, ...], rate_bytes_per_s: float | None) -> None:
    assert network_path(devices, sysfs) == NetworkPath(devices, rate_bytes_per_s)


def test_loopback_has_no_rate() -> None:
    """The kernel refuses to read it."""
    assert network_path(("lo",)) == NetworkPath(("lo",), None)
