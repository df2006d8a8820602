"""The files of the original system are views: each number in them is one of some cell's, in the place it had there."""

from dataclasses import replace

import pandas as pd
from fakes.records import Toy, fake_cell

from llmdvfs.analysis.deployment_files import CellFiles, deployment_files
from llmdvfs.records.deployment_files import BatchResults, DeviceData, PhaseResults


def cell_of(toy: Toy, timeline: pd.DataFrame | None = None) -> CellFiles:
    made = fake_cell(toy)
    return CellFiles(made.run, made.result, made.timeline if timeline is None else timeline)


def test_one_instance_has_a_file_for_each_phase_that_a_workload_isolates() -> None:
    cells = [cell_of(Toy(workload=name)) for name in ("prefill", "decode", "concurrent")]
    files = deployment_files(cells)
    assert list(files) == [
        "prefill_results.json",
        "decode_results.json",
        "unified_results.json",
        "batch_results.json",
        "gpu_data.json",
    ]
    results = {name: record for name, record in files.items() if isinstance(record, PhaseResults)}
    assert {name: (record.scope, len(record.cells)) for name, record in results.items()} == {
        "prefill_results.json": ("prefill", 1),
        "decode_results.json": ("decode", 1),
        "unified_results.json": ("all", 3),
    }
    assert results["decode_results.json"].cells[0] is cells[1].result


def test_roles_of_their_own_have_their_readings_in_files_of_their_own() -> None:
    files = deployment_files([cell_of(Toy("disaggregated", gpu=True))])
    assert list(files) == [
        "disaggregated_results.json",
        "batch_results.json",
        "prefill_gpu_data.json",
        "decode_gpu_data.json",
    ]
    prefill, decode = files["prefill_gpu_data.json"], files["decode_gpu_data.json"]
    assert isinstance(prefill, DeviceData)
    assert isinstance(decode, DeviceData)
    assert [(series.device_id, series.role) for series in prefill.series] == [("gpu0", "prefill")]
    assert [(series.device_id, series.role) for series in decode.series] == [("gpu1", "decode")]
    assert prefill.note is None  # there is power to show


def test_a_hosts_cpu_serves_both_roles_and_the_reader_is_told_that_there_is_no_power() -> None:
    cell = fake_cell(Toy("disaggregated"))
    files = deployment_files([CellFiles(cell.run, cell.result, cell.timeline.assign(role="host"))])
    for name in ("prefill_gpu_data.json", "decode_gpu_data.json"):
        data = files[name]
        assert isinstance(data, DeviceData)
        assert [series.role for series in data.series] == ["host"]
        assert data.note is not None
        assert data.note.startswith("no power data")


def test_readings_keep_their_instants_and_a_gap_stays_one() -> None:
    rows = {
        "t_s": [0.1, 0.2, 0.1, 0.1],
        "device_id": ["gpu1", "gpu1", "gpu0", "gpu7"],
        "role": ["single", "single", "single", None],  # gpu7 serves nobody
        "phase": ["idle", "decode", "idle", "idle"],
        "num_prefilling": [0, 0, 0, 0],
        "num_transferring": [0, 0, 0, 0],
        "num_decoding": [0, 3, 0, 0],
        "power_instant_w": [80.0, None, 81.0, 60.0],
        "temperature_c": [None, None, 40.0, 30.0],
    }
    data = deployment_files([cell_of(Toy(gpu=True), pd.DataFrame(rows))])["gpu_data.json"]
    assert isinstance(data, DeviceData)
    first, second = data.series
    assert (first.device_id, first.quantities) == ("gpu0", {"power_instant_w": (81.0,), "temperature_c": (40.0,)})
    assert (second.device_id, second.t_s, second.phase) == ("gpu1", (0.1, 0.2), ("idle", "decode"))
    assert second.quantities == {"power_instant_w": (80.0, None)}  # it never told a temperature


def test_a_batch_has_a_row_with_the_cells_own_numbers_and_an_open_loop_has_none() -> None:
    closed = cell_of(Toy(concurrency=4))
    open_loop = cell_of(Toy(launch=2))
    arrival = replace(open_loop.run.workload.arrival, kind="poisson", concurrency=None, rate_rps=2.0)
    open_loop = replace(
        open_loop, run=replace(open_loop.run, workload=replace(open_loop.run.workload, arrival=arrival))
    )
    batch = deployment_files([closed, open_loop])["batch_results.json"]
    assert isinstance(batch, BatchResults)
    (row,) = batch.rows
    result = closed.result
    assert (row.cell, row.batch_size, row.valid) == (result.cell, 4, result.valid)
    assert (row.ttft_mean_s, row.tpot_mean_s, row.e2e_mean_s) == (
        result.latency.ttft_s.mean,
        result.latency.tpot_s.mean,
        result.latency.e2e_s.mean,
    )
    assert row.request_rate_rps == result.throughput.request_rate_rps
    assert row.output_token_rate_per_s == result.throughput.output_token_rate_per_s
    assert (row.mean_power_w, row.energy_per_output_token_j, row.energy_per_request_j) == (
        result.energy.mean_power_w,
        result.energy.energy_per_output_token_j,
        result.energy.energy_per_request_j,
    )
