"""How long the KV cache of each request took to cross: the one definition, for results and figures alike.

docs/metrics.md#kv-transfer.
"""

from collections.abc import Iterable, Sequence

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
