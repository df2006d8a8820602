"""The files that users of the original system know, one set a deployment (docs/metrics.md#files).

They are views: every number in them is taken from `result.json` or `timeline.csv` of some cell, none is computed here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from llmdvfs.analysis.axis.timeline import COLUMNS
from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.records.deployment_files import BatchResults, BatchRow, DeviceData, DeviceSeries, PhaseResults
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import DeviceRole


@dataclass(frozen=True, slots=True)
class CellFiles:
    """What is known of one cell once it has been analysed."""

    run: RunRecord
    result: CellResult
    timeline: pd.DataFrame
    """The table of timeline.csv, whose columns analysis/axis/timeline.py describes."""


def deployment_files(cells: Sequence[CellFiles]) -> dict[str, PhaseResults | BatchResults | DeviceData]:
    """Return file name -> record, made of the cells of one deployment (at least one).

    A deployment with prefill instances of its own has a file for the readings of each role, and none by phase; the
    others have a file for each phase, with the cells whose workload isolates it.
    """
    deployment = cells[0].run.deployment
    batch = BatchResults(deployment.id, tuple(_batch_rows(cells)))
    everything = PhaseResults(deployment.id, "all", tuple(cell.result for cell in cells))
    if "prefill" in deployment.num_instances:
        return {
            "disaggregated_results.json": everything,
            "batch_results.json": batch,
            "prefill_gpu_data.json": _device_data(cells, ("prefill", "host")),
            "decode_gpu_data.json": _device_data(cells, ("decode", "host")),
        }
    return {
        "prefill_results.json": PhaseResults(deployment.id, "prefill", _isolating(cells, "prefill")),
        "decode_results.json": PhaseResults(deployment.id, "decode", _isolating(cells, "decode")),
        "unified_results.json": everything,
        "batch_results.json": batch,
        "gpu_data.json": _device_data(cells, ("single", "host")),
    }


def _isolating(cells: Iterable[CellFiles], phase: str) -> tuple[CellResult, ...]:
    return tuple(cell.result for cell in cells if cell.run.workload.isolates == phase)


def _batch_rows(cells: Iterable[CellFiles]) -> Iterable[BatchRow]:
    for cell in cells:
        arrival, result = cell.run.workload.arrival, cell.result
        size = arrival_kind(arrival.kind).batch_size(arrival)
        if size is not None:
            yield BatchRow(
                cell=result.cell,
                batch_size=size,
                valid=result.valid,
                ttft_mean_s=result.latency.ttft_s.mean,
                tpot_mean_s=result.latency.tpot_s.mean,
                e2e_mean_s=result.latency.e2e_s.mean,
                request_rate_rps=result.throughput.request_rate_rps,
                output_token_rate_per_s=result.throughput.output_token_rate_per_s,
                mean_power_w=result.energy.mean_power_w,
                energy_per_output_token_j=result.energy.energy_per_output_token_j,
                energy_per_request_j=result.energy.energy_per_request_j,
            )


def _device_data(cells: Sequence[CellFiles], roles: tuple[DeviceRole, ...]) -> DeviceData:
    deployment = cells[0].run.deployment
    note = None
    if all(cell.run.energy_source == "none" for cell in cells):
        note = "no power data on this machine: the readings are of its CPU, which all roles share"
    series = tuple(item for cell in cells for item in _series(cell, roles))
    return DeviceData(deployment.id, roles, note, series)


def _series(cell: CellFiles, roles: tuple[DeviceRole, ...]) -> Iterable[DeviceSeries]:
    mine = cell.timeline[cell.timeline["role"].isin(roles)]
    for device_id, frame in mine.groupby("device_id", sort=True, observed=True):
        names = [name for name in frame.columns if name not in COLUMNS and frame[name].notna().any()]
        yield DeviceSeries(
            cell=cell.result.cell,
            device_id=str(device_id),
            role=frame["role"].iloc[0],
            t_s=tuple(frame["t_s"]),
            phase=tuple(frame["phase"]),
            quantities={name: tuple(None if pd.isna(v) else float(v) for v in frame[name]) for name in names},
        )
