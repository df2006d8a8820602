"""A deployment's results under the file names that users of the original system know; docs/metrics.md#files."""

from dataclasses import dataclass
from typing import Literal

from llmdvfs.records.result import CellResult
from llmdvfs.records.spec import CellId, DeviceRole, Phase


@dataclass(frozen=True, slots=True)
class PhaseResults:
    """Content of `prefill_results.json` and of its siblings for decode, unified and disaggregated."""

    deployment: str
    scope: Literal["prefill", "decode", "all"]
    """Which cells are in it: those of workloads that isolate prefill or decode, or all."""
    cells: tuple[CellResult, ...]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One cell in which a fixed number of requests is in flight at once."""

    cell: CellId
    batch_size: int
    """That number, as the kind of arrivals (`arrivals/`) defines it; cells without such a number have no row."""
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
    """Content of `batch_results.json`."""

    deployment: str
    rows: tuple[BatchRow, ...]


@dataclass(frozen=True, slots=True)
class DeviceSeries:
    """Readings of one device over one cell: lists that are all as long as t_s, with null where nothing was read."""

    cell: CellId
    device_id: str
    role: DeviceRole | None
    t_s: tuple[float, ...]
    phase: tuple[Phase, ...]
    quantities: dict[str, tuple[float | None, ...]]
    """Name in records/telemetry.QUANTITIES -> its values."""


@dataclass(frozen=True, slots=True)
class DeviceData:
    """Content of `gpu_data.json`, `prefill_gpu_data.json` and `decode_gpu_data.json`."""

    deployment: str
    roles: tuple[DeviceRole, ...]
    """Roles whose devices are in it; a `host` serves all roles and so is in every file."""
    note: str | None
    """What the reader must know, for instance that there is no GPU; None: nothing."""
    series: tuple[DeviceSeries, ...]
