from collections.abc import Callable

import pytest
from fakes.nvml import FakeNvml

from llmdvfs.telemetry.nvml import NvmlError, num_gpus
from llmdvfs.telemetry.topology import GpuLink, gpu_links

MakeGpus = Callable[..., FakeNvml]


def test_every_pair_and_how_it_is_linked(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=3)
    for gpu in range(3):
        fake.set_property(gpu, "topology_level", 10)
    fake.set_property(2, "nvlinks", 0)
    fake.set_property(1, "peer_access", 0)
    num_gpus()
    assert gpu_links([0, 1, 2]) == (
        GpuLink(0, 1, "one_switch", has_peer_access=False, is_nvlinked=True),  # one direction is not enough
        GpuLink(0, 2, "one_switch", has_peer_access=True, is_nvlinked=False),
        GpuLink(1, 2, "one_switch", has_peer_access=False, is_nvlinked=False),
    )


def test_a_driver_that_does_not_tell_is_an_error(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=2).deny(0, ["topology"])
    num_gpus()
    with pytest.raises(NvmlError, match="nvmlDeviceGetTopologyCommonAncestor: Insufficient Permissions"):
        gpu_links([0, 1])
