"""How long the KV cache of each request took to cross: the one definition, for results and figures alike.

docs/metrics.md#kv-transfer.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from llmdvfs.records.phases import PhaseInterval
from llmdvfs.records.request import RequestRecord


def transfer_times_s(requests: Iterable[RequestRecord], intervals: Sequence[PhaseInterval]) -> dict[int, float]:
    """Return the transfer time [s] by request index, of every ok request among `requests`.

    The time is the length of the request's transfer phase. It is 0 where the stamps leave nothing between the prefill's
    answer and the first decode step: such a request was transferred too, and leaving it out would make the transfer
    look slower than it is.
    """
    spans_s = {i.request_index: i.end_s - i.begin_s for i in intervals if i.phase == "transfer"}
    return {request.index: spans_s.get(request.index, 0.0) for request in requests if request.ok}


def carried_bytes_per_s(sizes: Mapping[int, float], intervals: Sequence[PhaseInterval]) -> float | None:
    """Return what the link carried while the cache of any request was on its way; None where no time shows.

    sizes: bytes by request index. Transfers that share the link are each slow; together they may fill it. Those that
    leave no time do not count, so it is a lower bound as the times are upper ones.
    """
    spans = sorted(
        (i.begin_s, i.end_s, sizes[i.request_index])
        for i in intervals
        if i.phase == "transfer" and i.request_index in sizes
    )
    busy_s, reached_s = 0.0, -inf
    for begin_s, end_s, _ in spans:
        busy_s += max(end_s - max(begin_s, reached_s), 0.0)
        reached_s = max(reached_s, end_s)
    return sum(size for _, _, size in spans) / busy_s if busy_s else None
