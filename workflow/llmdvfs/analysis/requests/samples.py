"""The samples behind a cell's distributions, for figures that show every one of them."""

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.requests.latency import e2e_s, inside_window, token_gaps_s, ttft_s
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.raw import RawCell
from llmdvfs.records.result import Window


def latency_samples(raw: RawCell, phases: PhasesRecord, window: Window) -> dict[str, npt.NDArray[np.float64]]:
    """Return ttft_s, e2e_s and kv_transfer_s, one value a request, and tbt_s, one a gap [s]."""
    inside = inside_window(raw.requests, window, raw.run.started_mono_ns)
    indices = {request.index for request in inside}
    transfers = [i.end_s - i.begin_s for i in phases.intervals if i.phase == "transfer" and i.request_index in indices]
    return {
        "ttft_s": np.array([ttft_s(request) for request in inside]),
        "e2e_s": np.array([e2e_s(request) for request in inside]),
        "tbt_s": np.concatenate([np.empty(0), *(token_gaps_s(request) for request in inside)]),
        "kv_transfer_s": np.array(transfers),
    }
