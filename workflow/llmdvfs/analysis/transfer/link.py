"""The link that the KV cache had to cross, and whether it went over it; docs/metrics.md#kv-transfer."""

from llmdvfs.analysis.sensors import device_series
from llmdvfs.records.device_id import gpu_id
from llmdvfs.records.host import GpuLink
from llmdvfs.records.readings import Readings
from llmdvfs.records.result import TransferLink, TransferResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import Role

FAR_BELOW_FRACTION = 0.1
"""Below this share of the nominal rate something other than the link holds the transfer up."""
FAR_BELOW_MEASURED_FRACTION = 0.5
"""Of what one TCP stream carried over the same network: a connector that uses it well comes near that."""
KIB = 1024
SMALL_PIECE_BYTES = 128 * KIB
"""Below it most of a transfer's time over NVLink is spent on starting its pieces."""
PIECE_START_S = 3e-6
MANY_STARTS = 10
"""A link that takes the time of so many starts for a piece is not kept waiting by them."""


def transfer_link(run: RunRecord, readings: Readings) -> TransferLink | None:
    """Return what KV had to cross: the network where it was made to take one, else a link between GPUs.

    Of several pairs of a prefill and a decode GPU the slowest link counts, for that is where a transfer waits.
    readings: the cell's telemetry, for the counters of the prefill GPUs' NVLinks. None: neither was recorded, as on a
    CPU.
    """
    prefill, decode = _gpus(run, "prefill"), _gpus(run, "decode")
    if run.kv_network is not None:
        sent = _nvlink_sent_bytes(run, prefill, readings)
        return TransferLink("network", run.kv_network.rate_bytes_per_s, sent, run.kv_network.is_measured)
    between = [link for link in run.gpu_links or () if _joins(link, prefill, decode)]
    if not between:
        return None
    slowest = min(between, key=lambda link: link.rate_bytes_per_s or 0.0)
    return TransferLink(
        kind="nvlink" if slowest.is_nvlinked else "pcie",
        rate_bytes_per_s=slowest.rate_bytes_per_s,
        nvlink_sent_bytes=_nvlink_sent_bytes(run, prefill, readings),
    )


def transfer_warnings(transfer: TransferResult | None, kv_bytes_per_token: int | None) -> tuple[str, ...]:
    """Return a warning where KV was far slower than its link: how slow, which way it went, and in what pieces.

    kv_bytes_per_token: of the model, by its config.json; None: not known. Empty where the rate of either is not known,
    or the share of the link is large enough.
    """
    link = transfer.link if transfer else None
    if transfer is None or link is None or transfer.rate_bytes_per_s is None or not link.rate_bytes_per_s:
        return ()
    share = transfer.rate_bytes_per_s / link.rate_bytes_per_s
    # A network is one for all; of links between GPUs each pair has its own.
    together = (transfer.carried_bytes_per_s or 0.0) / link.rate_bytes_per_s if link.kind == "network" else 0.0
    if max(share, together) >= (FAR_BELOW_MEASURED_FRACTION if link.is_measured else FAR_BELOW_FRACTION):
        return ()
    rate = f"{transfer.rate_bytes_per_s / 1e9:.{3 if link.is_measured else 1}f}"
    told = rate if transfer.method == "connector_metric" else f"at least {rate}"
    possible = f"{link.rate_bytes_per_s / 1e9:.{0 if link.rate_bytes_per_s > 1e10 else 3}f}"
    parts = [
        f"KV rate {told} GB/s, {share:.1%} of the {possible} GB/s of the {_name(link)}",
    ]
    moved = transfer.moved_bytes or (transfer.external_kv_tokens or 0) * (kv_bytes_per_token or 0)
    if link.kind != "pcie" and link.nvlink_sent_bytes is not None and moved:
        crossed = link.nvlink_sent_bytes >= moved / 2
        other_way = "" if crossed == (link.kind == "nvlink") else ": it took another way"
        parts.append(f"{link.nvlink_sent_bytes / 1e9:.1f} GB crossed NVLink for {moved / 1e9:.1f} GB of KV{other_way}")
    if transfer.piece_bytes is not None and _waits_for_starts(transfer.piece_bytes, link.rate_bytes_per_s):
        parts.append(f"in pieces of {transfer.piece_bytes / KIB:.0f} KiB: raise serving.engine.block_size")
    return ("; ".join([*parts, "see docs/kv-transfer.md"]),)


def _waits_for_starts(piece_bytes: float, link_bytes_per_s: float) -> bool:
    """Say whether pieces are so small for their link that starting them takes a good part of the time."""
    return piece_bytes < SMALL_PIECE_BYTES and piece_bytes / link_bytes_per_s < MANY_STARTS * PIECE_START_S


LINK_NAMES = {"nvlink": "NVLink between its GPUs", "pcie": "PCIe between its GPUs", "network": "network"}


def _name(link: TransferLink) -> str:
    return "network, as one TCP stream measured it before the cell" if link.is_measured else LINK_NAMES[link.kind]


def _gpus(run: RunRecord, role: Role) -> set[int]:
    return set(run.server_start.gpus_of_role().get(role, ()))


def _joins(link: GpuLink, some: set[int], others: set[int]) -> bool:
    return (link.first in some and link.second in others) or (link.second in some and link.first in others)


def _nvlink_sent_bytes(run: RunRecord, gpus: set[int], readings: Readings) -> float | None:
    """Return by how much the GPUs' counters rose over the cell; None: one has no counter, or there are no GPUs."""
    if not gpus:
        return None
    total = 0.0
    for gpu in gpus:
        sent = device_series(readings.of(gpu_id(gpu)), "nvlink_tx_bytes", run.started_mono_ns).value
        if len(sent) < 2:
            return None
        total += float(sent[-1] - sent[0])
    return total
