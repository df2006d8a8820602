"""The single values behind a cell's distributions, for figures that show every one of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.chunks import chunks_of
from llmdvfs.analysis.requests.latency import e2e_s, scheduled_in_window, ttft_s
from llmdvfs.analysis.transfer.times import transfer_times_s
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Window
from llmdvfs.records.run import RunRecord


def latency_samples(
    run: RunRecord, requests: Sequence[RequestRecord], phases: PhasesRecord, window: Window
) -> dict[str, npt.NDArray[np.float64]]:
    """Return ttft_s, e2e_s and kv_transfer_s, one value [s] an ok request, and tbt_s, one a gap.

    They are the samples that the distributions of `result.json` were made of, but for requests that timed out: those
    have no latency to draw.
    """
    counted = scheduled_in_window(requests, window, run.started_mono_ns)
    ok = [request for request in counted if request.ok]
    samples = {
        "ttft_s": np.array([ttft_s(request) for request in ok]),
        "e2e_s": np.array([e2e_s(request) for request in ok]),
        "tbt_s": chunks_of(ok).token_gaps_s,
    }
    has_transfers = any(instance.role == "decode" for instance in run.server_start.instances)
    transfers_s = list(transfer_times_s(ok, phases.intervals).values()) if has_transfers else []
    return samples | {"kv_transfer_s": np.array(transfers_s)}
