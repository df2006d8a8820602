from collections.abc import Callable

import pytest
from fakes.nvml import FakeNvml

from llmdvfs.records.host import GpuLink
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus
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


@pytest.mark.parametrize(
    ("generation", "gigatransfers_per_s", "payload_fraction"),
    [(1, 2.5, 8 / 10), (2, 5, 8 / 10), (3, 8, 128 / 130), (4, 16, 128 / 130), (5, 32, 128 / 130), (6, 64, 242 / 256)],
)
def test_the_nominal_rate_of_each_generation_of_pcie(
    make_gpus: MakeGpus, generation: int, gigatransfers_per_s: float, payload_fraction: float
) -> None:
    """A transfer is a bit of one lane; encoding (8b/10b, 128b/130b, flits of 256 bytes) takes its share of them."""
    make_gpus(num_gpus=1).set_property(0, "pcie_generation", generation)
    num_gpus()
    lane_bytes_per_s = gigatransfers_per_s * 1e9 / 8 * payload_fraction
    assert NvmlGpu(0).pcie_rate_bytes_per_s() == pytest.approx(16 * lane_bytes_per_s, rel=5e-4)


def test_the_rate_of_an_unknown_generation_is_unknown(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=1).set_property(0, "pcie_generation", 7)
    num_gpus()
    assert NvmlGpu(0).pcie_rate_bytes_per_s() is None
