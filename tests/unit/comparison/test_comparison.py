import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.records import Toy, fake_cell

from llmdvfs.comparison.groups import compare
from llmdvfs.comparison.words.rows import comparison_rows, summary_rows
from llmdvfs.comparison.words.text import comparison_text
from llmdvfs.errors import DataError
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonRecord, DeploymentPair
from llmdvfs.records.comparison_text import baseline_pairs
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId, EngineSpec, LengthSpec, ModelSpec
from llmdvfs.records.store import read_record, write_record

Edit = Callable[[MeasuredCell], MeasuredCell]


def study(*, gpu: bool = False, launches: int = 3, edit: Edit = lambda cell: cell) -> list[MeasuredCell]:
    """Two deployments, one workload; `edit` changes the disaggregated cells."""
    single = [fake_cell(Toy("single", launch=k, gpu=gpu, duration_s=1.0)) for k in range(1, launches + 1)]
    other = [fake_cell(Toy("disaggregated", launch=k, gpu=gpu, duration_s=1.0)) for k in range(1, launches + 1)]
    return single + [edit(cell) for cell in other]


def compared(cells: list[MeasuredCell]) -> ComparisonRecord:
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


def the_pair(record: ComparisonRecord) -> DeploymentPair:
    return record.groups[0].pairs[0]


def with_ttft(cell: MeasuredCell, p50_s: float) -> MeasuredCell:
    latency = replace(cell.result.latency, ttft_s=replace(cell.result.latency.ttft_s, p50=p50_s))
    return replace(cell, result=replace(cell.result, latency=latency))


def with_run(cell: MeasuredCell, **changes: object) -> MeasuredCell:
    return replace(cell, run=replace(cell.run, **changes))  # type: ignore[arg-type]


def with_start(cell: MeasuredCell, start: str) -> MeasuredCell:
    return replace(cell, result=replace(cell.result, server_start_id=start))


def test_mean_and_ratio_by_hand() -> None:
    single, other = study()[:3], study()[3:]
    cells = [with_ttft(cell, value) for cell, value in zip(single + other, (1, 2, 3, 2, 4, 6), strict=True)]
    record = compared(cells)
    deployment = record.groups[0].deployments[0].metrics["ttft_p50_s"]
    # Logs 0, 0.693147, 1.098612: mean 0.597253, variance 0.308634 with 2 degrees of freedom. The pool is the other
    # deployment's, the same 0.308634 with 2, made larger by exp(0.577216) = 1.781073; a third of it counts, 2 / 3:
    # (2 / 3 x 0.549703 + 2 x 0.308634) / (8 / 3) = 0.368901 is less than 0.9 x 0.549703 = 0.494733, which is taken;
    # t(0.975, 8 / 3) = 3.419770; half width 3.419770 x sqrt(0.494733 / 3) = 1.388742
    assert (deployment.n, deployment.sd, deployment.statistic, deployment.lowest, deployment.highest) == (
        3,
        1.0,
        "geometric",
        1,
        3,
    )
    assert deployment.mean.value == pytest.approx(6 ** (1 / 3))
    assert deployment.mean.low == pytest.approx(6 ** (1 / 3) * math.exp(-1.388742), rel=1e-5)
    ratio = the_pair(record).ratios["ttft_p50_s"]
    assert ratio.pairing == "paired"
    assert [launch.ratio for launch in ratio.by_launch] == [2, 2, 2]
    assert (ratio.ratio.value, ratio.ratio.low) == pytest.approx((2.0, 2.0))


def test_the_simpler_architecture_is_the_baseline_whatever_the_order() -> None:
    pair = the_pair(compared(study()[::-1]))
    assert (pair.baseline, pair.other) == ("single_tiny", "disaggregated_tiny")


def test_the_baseline_that_is_asked_for_is_what_the_table_relates_to() -> None:
    cells = [with_ttft(cell, value) for cell, value in zip(study(), (1, 2, 3, 2, 4, 6), strict=True)]
    record = compare([cell.result for cell in cells], [cell.run for cell in cells], baseline="disaggregated")
    pair = the_pair(record)
    assert (pair.baseline, pair.other) == ("disaggregated_tiny", "single_tiny")
    assert pair.ratios["ttft_p50_s"].ratio.value == pytest.approx(0.5)
    assert baseline_pairs(record.groups[0]) == [pair]


def test_three_launch_labels_of_one_server_start_are_one_replicate() -> None:
    """Counting labels, or requests, instead of starts makes intervals several times too narrow."""
    cells = [with_start(cell, f"start-{cell.run.cell.deployment}") for cell in study()]
    record = compared(cells)
    metric = record.groups[0].deployments[0].metrics["ttft_p50_s"]
    assert len(metric.by_launch) == 3
    assert (metric.n, metric.sd, metric.mean.low) == (1, None, None)
    ratio = the_pair(record).ratios["ttft_p50_s"]
    assert (ratio.pairing, ratio.n_baseline, ratio.ratio.low) == ("unpaired", 1, None)


def test_launches_that_share_a_start_on_one_side_are_compared_unpaired() -> None:
    cells = study(edit=lambda cell: with_start(cell, "a" if cell.run.cell.launch < 3 else "b"))
    ratio = the_pair(compared(cells)).ratios["ttft_p50_s"]
    assert (ratio.pairing, ratio.n_baseline, ratio.n_other) == ("unpaired", 3, 2)
    assert ratio.ratio.low is not None


def test_only_common_launches_are_paired() -> None:
    ratio = the_pair(compared(study()[1:])).ratios["ttft_p50_s"]
    assert (ratio.pairing, [launch.launch for launch in ratio.by_launch]) == ("paired", [2, 3])


def test_a_launch_measured_in_parts_is_named() -> None:
    """A re-run that adds a workload starts the servers again: equal labels are then not equal starts."""
    first = fake_cell(Toy(workload="decode", duration_s=1.0))
    second = with_start(fake_cell(Toy(workload="concurrent", duration_s=1.0)), "later-start")
    (warning,) = compared([first, second]).warnings
    assert "single_tiny launch 1" in warning
    assert "later-start" in warning
    assert compared([first, fake_cell(Toy(duration_s=1.0))]).warnings == ()


def test_the_machine_is_told_for_readers() -> None:
    """Below every table stood "gpus ['NVIDIA H200', 'NVIDIA H200'], may_set_clocks True"."""
    hardware = {
        "cpu_model": "Xeon",
        "gpus": ["H200", "H200", "A100"],
        "may_set_clocks": True,
        "host": "a",
        "num_cpus": 2,
    }
    record = compared([with_run(cell, hardware=hardware) for cell in study()])
    assert (
        "machine cpu model Xeon, gpus 2 x H200 + 1 x A100, may set clocks yes, num cpus 2"
        in the_pair(record).held_equal
    )


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("model: tiny (tiny) against other", lambda run: _deployed(run, model=ModelSpec("other", "tiny", ""))),
        (
            "dtype: bfloat16 against float32",
            lambda run: _deployed(run, engine={"prefill": EngineSpec(dtype="float32")}),
        ),
        (
            "vLLM: 0.32.0 against 0.11.1",
            lambda run: {"server_start": replace(run.server_start, engine_versions={"vllm": "0.11.1"})},
        ),
        (
            "machine: cpu model a made-up CPU against cpu model another",
            lambda run: {"hardware": {"cpu_model": "another"}},
        ),
        ("device: cpu against cuda", lambda run: _deployed(run, device="cuda")),
        (
            "workload.prompts",
            lambda run: {
                "workload": replace(
                    run.workload, prompts=replace(run.workload.prompts, prompt_tokens=LengthSpec("fixed", 9))
                )
            },
        ),
        ("seeds of launch 1", lambda run: {"seeds": {"prompts": 99, "arrivals": 8}}),
    ],
)
def test_unlike_deployments_are_refused_by_name(named: str, change: Callable[[RunRecord], dict[str, object]]) -> None:
    record = compared(study(edit=lambda cell: with_run(cell, **change(cell.run))))
    assert the_pair(record).ratios == {}
    assert any(named in difference for difference in the_pair(record).differences)
    assert "disaggregated_tiny is not compared with single_tiny: " in comparison_text(record)


def test_seeds_that_do_not_decide_the_prompts_do_not_matter() -> None:
    cells = study(edit=lambda cell: with_run(cell, seeds=cell.run.seeds | {"bootstrap": 1}))
    assert the_pair(compared(cells)).differences == ()


def test_a_machine_under_another_name_is_the_same_machine() -> None:
    cells = study(edit=lambda cell: with_run(cell, hardware=cell.run.hardware | {"host": "5e3f", "kernel": "6.9"}))
    assert the_pair(compared(cells)).differences == ()


def test_launches_of_several_hosts_are_a_warning() -> None:
    """After `merge-results`: two alike machines are compared, and a reader is told that the spread holds theirs too."""

    def on_host(cell: MeasuredCell) -> MeasuredCell:
        host = "5e3f" if cell.run.cell.launch == 3 else "a1b2"
        return with_run(cell, hardware=cell.run.hardware | {"host": host})

    warnings = [text for text in compared(study(edit=on_host)).warnings if "hosts" in text]
    assert any("a1b2: launches 1, 2" in text and "5e3f: launches 3" in text for text in warnings)


def test_one_gpu_against_two_is_compared_per_gpu() -> None:
    record = compared(study(gpu=True))
    deployments, pair = record.groups[0].deployments, the_pair(record)
    assert [deployment.num_gpus for deployment in deployments] == [1, 2]
    power = pair.ratios["mean_power_w"]
    totals = [deployment.metrics["mean_power_w"].by_launch[0].value or 0.0 for deployment in deployments]
    assert power.per_gpu
    assert power.by_launch[0].ratio == pytest.approx(totals[1] / 2 / totals[0])
    assert not pair.ratios["energy_per_output_token_j"].per_gpu
    assert any("1 against 2 GPUs" in caveat for caveat in pair.caveats)


def test_an_unknown_number_of_gpus_refuses_the_pair() -> None:
    def hide(cell: MeasuredCell) -> MeasuredCell:
        start = cell.run.server_start
        instances = tuple(replace(instance, device_ids=()) for instance in start.instances)
        return with_run(cell, server_start=replace(start, instances=instances))

    assert any("number of GPUs" in text for text in the_pair(compared(study(gpu=True, edit=hide))).differences)


def test_without_power_latency_is_compared_and_energy_is_null() -> None:
    record = compared(study())
    pair = the_pair(record)
    assert record.energy_note == "no power data on this machine"
    assert pair.ratios["ttft_p50_s"].ratio.value is not None
    energy = pair.ratios["energy_per_output_token_j"]
    assert (energy.ratio.value, energy.ratio.reason) == (None, "no power data on this machine")
    assert any("both instances share the host's CPUs" in caveat for caveat in pair.caveats)


def test_energies_of_different_sources_are_not_compared() -> None:
    def by_power(cell: MeasuredCell) -> MeasuredCell:
        return replace(cell, result=replace(cell.result, energy=replace(cell.result.energy, source="nvml_power")))

    ratios = the_pair(compared(study(gpu=True, edit=by_power))).ratios
    assert ratios["mean_power_w"].ratio.reason == "energy sources differ: nvml_counter, nvml_power"
    assert ratios["ttft_p50_s"].ratio.value is not None


def test_a_failed_gate_marks_a_cell_and_drops_nothing() -> None:
    bad = fake_cell(Toy(launch=4, duration_s=1.0, gate_fails=True))
    record = compared([*study(), bad])
    row = next(row for row in record.cells if row.cell == bad.run.cell)
    assert (row.status, row.reason) == ("gate_failed", "missed_samples: 3 %, expected < 1 %")
    assert row.failed_gates == ("missed_samples",)
    metric = record.groups[0].deployments[0].metrics["ttft_p50_s"]
    assert metric.n == 4
    assert [launch.valid for launch in metric.by_launch] == [True, True, True, False]
    assert the_pair(record).ratios["ttft_p50_s"].valid  # launch 4 has no partner, so it is not in the ratio
    assert " *" in comparison_text(record)
    assert "gate failed: missed_samples: single_tiny/concurrent/stock/launch-4" in comparison_text(record)


def test_a_cell_without_a_result_is_a_row_with_its_reason() -> None:
    cells = study()
    failed = CellId("single_tiny", "concurrent", "stock", 4)
    record = compare([c.result for c in cells], [c.run for c in cells], {failed: "server died"})
    row = next(row for row in comparison_rows(record) if row["launch"] == 4)
    assert (row["status"], row["reason"], row["ttft_p50_s"]) == ("no_result", "server died", None)
    assert record.groups[0].deployments[0].num_without_result == 1
    assert "launch-4: failed: server died" in comparison_text(record)


def test_a_result_without_its_run_is_refused() -> None:
    cell = fake_cell(Toy(duration_s=1.0))
    with pytest.raises(DataError, match=r"single_tiny/concurrent/stock/launch-1 .* no run\.json"):
        compare([cell.result], [])


def test_nothing_to_compare_is_an_empty_record() -> None:
    record = compare([], [])
    assert (record.groups, record.energy_note) == ((), None)


def test_workloads_that_differ_in_batch_size_only_are_one_sweep_in_rising_order() -> None:
    cells = [fake_cell(Toy(gpu=True, concurrency=batch, duration_s=0.5)) for batch in (128, 8, 32)]
    longer = replace(cells[0].run.workload, min_requests=30, max_duration_s=60.0)  # the length of a run does not count
    cells[0] = replace(cells[0], run=replace(cells[0].run, workload=longer))
    record = compared([*cells, fake_cell(Toy(workload="decode", gpu=True, duration_s=0.5))])
    assert [(group.sweep, group.batch_size) for group in record.groups] == [
        ("concurrent", 8),
        ("concurrent", 32),
        ("concurrent", 128),
        ("decode", 1),
    ]


def test_rows_and_summary_carry_every_metric() -> None:
    record = compared(study())
    (cell, *_), (deployment, *_) = comparison_rows(record), summary_rows(record)
    assert len(comparison_rows(record)) == 6
    assert METRICS.keys() <= cell.keys()
    assert {f"{name}_{part}" for name in METRICS for part in ("mean", "sd", "low", "high", "n")} <= deployment.keys()
    assert cell["mean_power_w"] is None


def test_the_table_reads_like_the_record() -> None:
    single, other = study()[:3], study()[3:]
    cells = [with_ttft(cell, value) for cell, value in zip(single + other, (1, 2, 3, 2, 4, 6), strict=True)]
    lines = comparison_text(compared(cells)).splitlines()
    start = lines.index("TTFT p50 (ms), lower is better")
    assert [part.split() for part in lines[start + 1 : start + 3]] == [
        [">", "single", "1817", "(1000", "...", "3000,", "n=3)", "baseline"],
        ["disaggregated", "3634", "(2000", "...", "6000,", "n=3)", "2.000x", "[2.000,", "2.000]", "worse"],
    ]


def test_a_time_has_no_interval_that_reaches_below_zero() -> None:
    """381, 650 and 2418 ms were printed as 1150 ± 2750 ms."""
    cells = [with_ttft(cell, value) for cell, value in zip(study()[:3], (0.381, 0.65, 2.418), strict=True)]
    metric = compared(cells).groups[0].deployments[0].metrics["ttft_p50_s"]
    assert metric.mean.low is not None
    assert metric.mean.low > 0


def test_means_and_their_ratio_agree() -> None:
    """Arithmetic means of 233 against 100 stood beside a geometric ratio of 1.401."""
    values = (0.02, 0.08, 0.2, 0.01, 0.1, 0.589)
    record = compared([with_ttft(cell, value) for cell, value in zip(study(), values, strict=True)])
    ours, theirs = (deployment.metrics["ttft_p50_s"].mean.value for deployment in record.groups[0].deployments)
    assert ours
    assert theirs
    assert the_pair(record).ratios["ttft_p50_s"].ratio.value == pytest.approx(theirs / ours)


def test_a_share_that_may_be_zero_keeps_its_arithmetic_mean() -> None:
    metric = compared(study()).groups[0].deployments[0].metrics["failed_fraction"]
    assert (metric.statistic, metric.mean.value) == ("arithmetic", 0.0)


def test_a_value_of_fewer_launches_than_its_header_says_its_own_n() -> None:
    """Where energy was null in one of three launches the header still said n=3 of it."""
    first, *others = study(gpu=True)[:3]
    first = replace(first, result=replace(first.result, energy=replace(first.result.energy, mean_power_w=None)))
    lines = comparison_text(compared([first, *others])).splitlines()
    power, tokens = (
        next(line for line in lines if line.startswith(name)) for name in ("Mean power", "Output tokens (")
    )
    assert "n=2" in power
    assert "n=3" in tokens


def test_tails_and_goodput_are_in_the_table() -> None:
    table = comparison_text(compared(study()))
    names = ("TTFT p99 (ms)", "TBT p99 (ms)", "Goodput (req/s)", "Requests within the limits (%)")
    assert all(f"\n{name}" in table for name in names)


def test_a_ratio_with_a_launch_that_failed_a_gate_has_a_star() -> None:
    cells = study()
    cells[0] = fake_cell(Toy(launch=1, duration_s=1.0, gate_fails=True))
    lines = comparison_text(compared(cells)).splitlines()
    start = lines.index("TTFT p50 (ms), lower is better")
    assert lines[start + 2].endswith(" *")


def test_the_record_survives_its_file(tmp_path: Path) -> None:
    record = compared(study(gpu=True))
    write_record(tmp_path / "comparison.json", record)
    assert read_record(tmp_path / "comparison.json", ComparisonRecord) == record


def _deployed(run: RunRecord, **changes: object) -> dict[str, object]:
    return {"deployment": replace(run.deployment, **changes)}  # type: ignore[arg-type]
