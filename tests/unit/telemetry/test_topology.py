from collections.abc import Callable

import pytest
from fakes.nvml import FakeNvml

from llmdvfs.records.host import GpuLink
from llmdvfs.telemetry.nvml import NvmlError, num_gpus
from llmdvfs.telemetry.topology import gpu_links

MakeGpus = Callable[..., FakeNvml]


def test_every_pair_and_how_it_is_linked(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=3)
    for gpu in range(3):
        fake.set_property(gpu, "topology_level", 10)
    fake.set_property(2, "nvlinks", 0)
    fake.set_property(1, "peer_access", 0)
    fake.set_property(2, "pcie_generation", 4)
    fake.set_property(1, "nvlink_mbps", 25_000)
    num_gpus()
    assert gpu_links([0, 1, 2]) == (
        GpuLink(0, 1, "one_switch", has_peer_access=False, is_nvlinked=True, rate_bytes_per_s=18 * 25e9),
        GpuLink(0, 2, "one_switch", has_peer_access=True, is_nvlinked=False, rate_bytes_per_s=16 * 1.969e9),
        GpuLink(1, 2, "one_switch", has_peer_access=False, is_nvlinked=False, rate_bytes_per_s=16 * 1.969e9),
    )


def test_a_driver_that_does_not_tell_is_an_error(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=2).deny(0, ["topology"])
    num_gpus()
    with pytest.raises(NvmlError, match="nvmlDeviceGetP2PStatus: Insufficient Permissions"):
        gpu_links([0, 1])


def test_a_driver_that_knows_no_speeds_leaves_the_rate_unknown(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=2)
    fake.set_property(0, "nvlink_mbps", 0)
    num_gpus()
    (link,) = gpu_links([0, 1])
    assert link.is_nvlinked
    assert link.rate_bytes_per_s is None
