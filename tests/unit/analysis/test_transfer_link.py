"""The link under a KV transfer: 40 GB of KV a cell between two H200 (18 NVLinks of 26.562 GB/s)."""

from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell

from llmdvfs.analysis.transfer.link import transfer_link, transfer_warnings
from llmdvfs.records.host import GpuLink, NetworkPath
from llmdvfs.records.readings import NOTHING_READ, readings_of
from llmdvfs.records.result import TransferLink, TransferResult
from llmdvfs.records.telemetry import Reading

NVLINK = GpuLink(0, 1, "system", has_peer_access=True, is_nvlinked=True, rate_bytes_per_s=478e9)
PCIE = GpuLink(1, 2, "system", has_peer_access=False, is_nvlinked=False, rate_bytes_per_s=63e9)
RUN = fake_cell(Toy("disaggregated", gpu=True)).run  # prefill on gpu0, decode on gpu1
TRANSFER = fake_cell(Toy("disaggregated", gpu=True)).result.transfer
KV_BYTES_PER_TOKEN = 100_000


def counter(device_id: str, *sent_bytes: float) -> list[Reading]:
    return [Reading(device_id, k, k, {"nvlink_tx_bytes": value}) for k, value in enumerate(sent_bytes)]


def test_the_link_between_the_roles_and_what_crossed_it() -> None:
    run = replace(RUN, gpu_links=(PCIE, NVLINK))
    readings = [*counter("gpu0", 5e9, 25e9, 46e9), *counter("gpu1", 0.0, 1e9)]
    assert transfer_link(run, readings_of(readings)) == TransferLink("nvlink", 478e9, nvlink_sent_bytes=41e9)


def test_without_counters_the_sent_bytes_are_unknown() -> None:
    assert transfer_link(replace(RUN, gpu_links=(NVLINK,)), NOTHING_READ) == TransferLink("nvlink", 478e9, None)


def test_a_network_that_kv_was_made_to_take_is_the_link() -> None:
    run = replace(RUN, gpu_links=(NVLINK,), kv_network=NetworkPath(("mlx5_0:1",), 50e9))
    readings = readings_of(counter("gpu0", 5e9, 6e9))
    assert transfer_link(run, readings) == TransferLink("network", 50e9, nvlink_sent_bytes=1e9)


@pytest.mark.parametrize("links", [None, (PCIE,)], ids=["not recorded", "not between the roles"])
def test_no_link(links: tuple[GpuLink, ...] | None) -> None:
    assert transfer_link(replace(RUN, gpu_links=links), NOTHING_READ) is None


def transfer(rate_bytes_per_s: float, link: TransferLink, method: str = "connector_metric") -> TransferResult:
    assert TRANSFER is not None
    told = {"method": method, "rate_bytes_per_s": rate_bytes_per_s, "external_kv_tokens": 400_000.0, "link": link}
    return replace(TRANSFER, **told)  # type: ignore[arg-type]


def test_a_rate_near_the_link_needs_no_words() -> None:
    near = transfer(60e9, TransferLink("nvlink", 478e9, 40e9))
    assert transfer_warnings(near, KV_BYTES_PER_TOKEN) == ()


def test_far_below_the_link_over_nvlink_in_small_pieces() -> None:
    slow = replace(transfer(9.6e9, TransferLink("nvlink", 478e9, 40e9)), piece_bytes=32 * 1024)
    assert transfer_warnings(slow, KV_BYTES_PER_TOKEN) == (
        "KV rate 9.6 GB/s, 2.0% of the 478 GB/s of the NVLink between its GPUs; "
        "40.0 GB crossed NVLink for 40.0 GB of KV; "
        "in pieces of 32 KiB: raise serving.engine.block_size; see docs/kv-transfer.md",
    )


def test_far_below_the_link_by_another_way() -> None:
    (text,) = transfer_warnings(transfer(2e9, TransferLink("nvlink", 478e9, 1e9)), KV_BYTES_PER_TOKEN)
    assert "1.0 GB crossed NVLink for 40.0 GB of KV: it took another way" in text


@pytest.mark.parametrize(
    ("crossed_bytes", "words"),
    [(0.5e9, "0.5 GB crossed NVLink for 40.0 GB of KV"), (40e9, "40.0 GB of KV: it took another way")],
)
def test_far_below_a_network(crossed_bytes: float, words: str) -> None:
    (text,) = transfer_warnings(transfer(2e9, TransferLink("network", 50e9, crossed_bytes)), KV_BYTES_PER_TOKEN)
    assert text.startswith("KV rate 2.0 GB/s, 4.0% of the 50 GB/s of the network; ")
    assert text.endswith(f"{words}; see docs/kv-transfer.md")


def test_a_rate_from_stamps_is_a_bound() -> None:
    slow = transfer(2e9, TransferLink("pcie", 63e9, None), "upper_bound_from_stamps")
    assert transfer_warnings(slow, KV_BYTES_PER_TOKEN) == (
        "KV rate at least 2.0 GB/s, 3.2% of the 63 GB/s of the PCIe between its GPUs; see docs/kv-transfer.md",
    )


@pytest.mark.parametrize("link", [None, TransferLink("nvlink", None, None)])
def test_an_unknown_link_is_not_judged(link: TransferLink | None) -> None:
    assert transfer_warnings(transfer(1e9, link), KV_BYTES_PER_TOKEN) == ()  # type: ignore[arg-type]


def test_between_hosts_kv_is_held_against_what_one_stream_carried() -> None:
    """12 MB/s were measured before the cell: 7 MB/s of KV are near that, 5 MB/s are not."""
    run = replace(RUN, kv_network=NetworkPath(("n0 - n1",), 12e6, is_measured=True))
    link = transfer_link(run, NOTHING_READ)
    assert link == TransferLink("network", 12e6, None, is_measured=True)
    assert transfer_warnings(transfer(7e6, link), KV_BYTES_PER_TOKEN) == ()
    (text,) = transfer_warnings(transfer(5e6, link), KV_BYTES_PER_TOKEN)
    assert text.startswith("KV rate 0.005 GB/s, 41.7% of the 0.012 GB/s of the network, as one TCP stream measured it")


def test_transfers_that_fill_the_network_together_are_not_slow() -> None:
    """Four at a time had a quarter of 12 MB/s each, and KV was called slow where the network was full."""
    link = TransferLink("network", 12e6, None, is_measured=True)
    four = replace(transfer(3e6, link), carried_bytes_per_s=11e6)
    assert transfer_warnings(four, KV_BYTES_PER_TOKEN) == ()
    (text,) = transfer_warnings(replace(four, carried_bytes_per_s=3.5e6), KV_BYTES_PER_TOKEN)
    assert text.startswith("KV rate 0.003 GB/s, 25.0%")


@pytest.mark.parametrize(("link_bytes_per_s", "is_told"), [(12e6, False), (3e9, True)])
def test_small_pieces_hold_up_a_fast_network_only(link_bytes_per_s: float, is_told: bool) -> None:
    """32 KiB take 2.7 ms at 12 MB/s and 11 us at 3 GB/s; to start them takes 3 us."""
    link = TransferLink("network", link_bytes_per_s, None, is_measured=True)
    slow = replace(transfer(link_bytes_per_s / 4, link), piece_bytes=32 * 1024)
    (text,) = transfer_warnings(slow, KV_BYTES_PER_TOKEN)
    assert ("raise serving.engine.block_size" in text) == is_told


def test_pairs_of_gpus_have_a_link_each() -> None:
    """Four pairs at 30 of 400 GB/s are 7.5 % of each one's link; together they looked like 30 % of one."""
    pairs = replace(transfer(30e9, TransferLink("nvlink", 400e9, None)), carried_bytes_per_s=120e9)
    (text,) = transfer_warnings(pairs, KV_BYTES_PER_TOKEN)
    assert "7.5% of the 400 GB/s of the NVLink" in text
