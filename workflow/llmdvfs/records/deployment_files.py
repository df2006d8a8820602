"""A deployment's results under the file names that users of the original system know; docs/metrics.md#files."""

from dataclasses import dataclass
from typing import Literal

from llmdvfs.records.result import CellResult
from llmdvfs.records.spec import CellId, DeviceRole, Phase


@dataclass(frozen=True, slots=True)
class PhaseResults:
    """`prefill_results.json`, `decode_results.json`, `unified_results.json`, `disaggregated_results.json`."""

    deployment: str
    scope: Literal["prefill", "decode", "all"]
    """prefill, decode: the cells of workloads that isolate the phase; all: every cell."""
    cells: tuple[CellResult, ...]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One cell with a fixed number of requests at once."""

    cell: CellId
    batch_size: int
    """As the kind of arrivals (`arrivals/`) defines it; cells without one are in no row."""
    valid: bool
    ttft_mean_s: float | None
    tpot_mean_s: float | None
    e2e_mean_s: float | None
    request_rate_rps: float | None
    output_token_rate_per_s: float | None
    mean_power_w: float | None
    energy_per_output_token_j: float | None
    energy_per_request_j: float | None


@dataclass(frozen=True, slots=True)
class BatchResults:
    """`batch_results.json`."""

    deployment: str
    rows: tuple[BatchRow, ...]


@dataclass(frozen=True, slots=True)
class DeviceSeries:
    """One device over one cell; all lists are as long as t_s, null where nothing was read."""

    cell: CellId
    device_id: str
    role: DeviceRole | None
    t_s: tuple[float, ...]
    phase: tuple[Phase, ...]
    quantities: dict[str, tuple[float | None, ...]]
    """Quantities of records/telemetry.py by name."""


@dataclass(frozen=True, slots=True)
class DeviceData:
    """`gpu_data.json`, `prefill_gpu_data.json`, `decode_gpu_data.json`."""

    deployment: str
    roles: tuple[DeviceRole, ...]
    """Which devices are in it; a `host` serves all roles and is in every file."""
    note: str | None
    """What the reader must know: that there is no GPU, say."""
    series: tuple[DeviceSeries, ...]
