"""Looks at the GPUs at stock under the load, to see which clock each role can hold (records/under_load.py)."""

from collections.abc import Mapping, Sequence

import numpy as np

from llmdvfs.benchmark.sweep.live import Floats, Live, Sensor
from llmdvfs.benchmark.sweep.settling import POWERS
from llmdvfs.records.device_id import gpu_id
from llmdvfs.records.under_load import RoleProbe, StockProbe
from llmdvfs.telemetry.live import CLOCK_EVENTS
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu


def probe_stock(
    live: Live,
    span_mono_ns: tuple[int, int],
    gpus_of_role: Mapping[str, Sequence[int]],
    idle_power_w: Mapping[str, float],
) -> StockProbe:
    """Return what the GPUs did over a span at stock.

    idle_power_w: device id -> power without load, for those whose power can be read.
    """
    return StockProbe(
        *span_mono_ns,
        roles={
            role: _of_role(live, span_mono_ns, indices, idle_power_w)
            for role, indices in gpus_of_role.items()
            if indices
        },
    )


def mean_power_w(live: Live, device_id: str, span_mono_ns: tuple[int, int]) -> float | None:
    """Return the mean power of a device over a span, of its instant power where it tells that; None: it tells none."""
    for quantity in POWERS:
        values = live.values(Sensor(device_id, quantity), *span_mono_ns)
        if values.size:
            return float(values.mean())
    return None


def _of_role(live: Live, span: tuple[int, int], indices: Sequence[int], idle_power_w: Mapping[str, float]) -> RoleProbe:
    ids = [gpu_id(index) for index in indices]
    clocks = _joined(live, ids, "sm_clock_mhz", span)
    reasons = _joined(live, ids, "clock_event_reasons", span).astype(np.int64)
    shares = {name: float(np.mean((reasons & bit) != 0)) for bit, name in CLOCK_EVENTS.items() if reasons.size}
    return RoleProbe(
        sm_clock_p50_mhz=float(np.percentile(clocks, 50)) if clocks.size else None,
        sm_clock_p10_mhz=float(np.percentile(clocks, 10)) if clocks.size else None,
        power_w=_mean([mean_power_w(live, id_, span) for id_ in ids]),
        idle_power_w=_mean([idle_power_w.get(id_) for id_ in ids]),
        clock_event_fraction={name: share for name, share in shares.items() if share},
        sm_clocks_mhz=_common_clocks(indices),
    )


def _joined(live: Live, device_ids: Sequence[str], quantity: str, span: tuple[int, int]) -> Floats:
    return np.concatenate([live.values(Sensor(id_, quantity), *span) for id_ in device_ids])


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _common_clocks(indices: Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(sorted(set.intersection(*(set(NvmlGpu(index).supported_sm_clocks_mhz()) for index in indices))))
    except NvmlError:
        return ()
