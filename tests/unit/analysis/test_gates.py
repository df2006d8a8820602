"""Each gate at its limit: just inside it passes, just outside it fails and says what to do."""

from dataclasses import replace
from typing import Any

import pytest
from fakes.records import Toy, fake_cell
from fakes.requests import ok_request

from llmdvfs.analysis.gates.cell import cell_gates
from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.records.point import AppliedPoint, GpuIdentity, OperatingPoint, PointState
from llmdvfs.records.readings import readings_of
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Distribution, Gate, TransferResult, Window
from llmdvfs.records.spec import ArrivalSpec
from llmdvfs.records.telemetry import Reading, SamplerReport

GPU = fake_cell(Toy(gpu=True))
CPU = fake_cell(Toy(gpu=False))
DISAGGREGATED = fake_cell(Toy("disaggregated", gpu=True))
NS = 1_000_000_000
WINDOW = Window(10.0, 20.0, "steady", "in the middle")
NONE = Distribution(0)


def request(index: int, **changes: Any) -> RequestRecord:
    """A request that was sent when scheduled, every second, and answered 2 s later with 4 tokens."""
    start = index * NS
    good = ok_request(
        index,
        scheduled_mono_ns=start,
        sent_mono_ns=start,
        chunk_mono_ns=(start + NS, start + 2 * NS),
        chunk_num_tokens=(2, 2),
        end_mono_ns=start + 2 * NS,
        num_prompt_tokens=16,
    )
    return replace(good, **changes)


def report(**changes: Any) -> SamplerReport:
    return replace(SamplerReport(990, 9, 1000, 0.001, 0.2, 0, None), **changes)


def readings(quantity: str, *values: float) -> list[Reading]:
    """One reading a second of gpu0 from 10 s on."""
    return [Reading("gpu0", (10 + i) * NS, (10 + i) * NS, {quantity: value}) for i, value in enumerate(values)]


def gates(cell: Any = GPU, *, run: dict[str, Any] | None = None, **changes: Any) -> dict[str, Gate]:
    given: dict[str, Any] = {
        "requests": [request(i) for i in range(10)],
        "readings": [],
        "sampler": report(),
        "calibration": None,
        "window": WINDOW,
        "latency": cell.result.latency,
        "throughput": cell.result.throughput,
        "energy": cell.result.energy,
        "transfer": None,
        "foreign_processes": (),
        "limits": GateLimits(),
    }
    given |= changes
    given["readings"] = readings_of(given["readings"])
    return {gate.name: gate for gate in cell_gates(replace(cell.run, **(run or {})), **given)}


def energy_with(**device: Any) -> Any:
    energy = GPU.result.energy
    return replace(energy, devices=(replace(energy.devices[0], device_id="gpu0", **device),))


def test_a_machine_without_power_data_fails_nothing_for_it() -> None:
    found = gates(CPU, foreign_processes=None)
    for name in (
        "counter_against_integral",
        "window_length",
        "foreign_processes",
        "power_cap",
        "throttling",
        "temperature_drift",
        "clock_as_requested",
    ):
        assert found[name].status == "not_applicable", name


@pytest.mark.parametrize(
    ("difference", "status"), [(0.03, "passed"), (-0.03, "passed"), (0.031, "failed"), (None, "failed")]
)
def test_counter_and_integral_agree_within_three_percent(difference: float | None, status: str) -> None:
    gate = gates(energy=energy_with(disagreement_fraction=difference))["counter_against_integral"]
    assert gate.status == status
    assert gate.seen == ("gpu0 not comparable" if difference is None else f"gpu0 {difference:+.1%}")


@pytest.mark.parametrize(("missed", "status"), [(9, "passed"), (10, "failed")])
def test_less_than_one_percent_of_the_samples_is_missed(missed: int, status: str) -> None:
    assert gates(sampler=report(num_missed_slots=missed))["missed_samples"].status == status


def test_a_sampler_that_ended_early_fails() -> None:
    gate = gates(sampler=report(error="gpu0: GPU_IS_LOST"))["missed_samples"]
    assert (gate.status, gate.seen) == ("failed", "the sampler ended early: gpu0: GPU_IS_LOST")


@pytest.mark.parametrize(
    ("quantity", "values", "gate", "status"),
    [
        ("sw_thermal_s", (1.0, 1.0, 1.0), "throttling", "passed"),
        ("sw_thermal_s", (1.0, 1.0, 1.5), "throttling", "failed"),
        ("hw_power_brake_s", (0.0, 0.25), "throttling", "failed"),
        ("sw_power_cap_s", (0.0, 0.25), "throttling", "not_applicable"),
        ("sw_power_cap_s", (0.0, 0.25), "power_cap", "failed"),
        ("sw_power_cap_s", (3.0, 3.0), "power_cap", "passed"),
        ("clock_event_reasons", (0, 0x04, 0, 0), "power_cap", "failed"),
        ("clock_event_reasons", (0, 0x04, 0, 0), "throttling", "passed"),
        ("clock_event_reasons", (0, 0x40, 0, 0), "throttling", "failed"),
        ("temperature_c", (60.0, 61.0, 62.0), "temperature_drift", "failed"),  # 10 degrees over the 10 s
        ("temperature_c", (60.0, 60.4, 60.8), "temperature_drift", "passed"),
    ],
)
def test_what_the_hardware_did_to_the_clocks(quantity: str, values: tuple[float, ...], gate: str, status: str) -> None:
    energy = energy_with(role="single")
    locked = OperatingPoint("1005", sm_clock_mhz={"single": 1005})
    found = gates(run={"point": locked}, energy=energy, readings=readings(quantity, *values))
    assert found[gate].status == status


def test_at_stock_clocks_the_power_limit_is_told_and_no_fault() -> None:
    """A loaded H200 touches its limit at 470 W of mean power already: that is how stock clocks behave."""
    found = gates(energy=energy_with(role="single"), readings=readings("sw_power_cap_s", 0.0, 0.25))["power_cap"]
    assert found.status == "not_applicable"
    assert "sw_power_cap_s +0.25" in found.seen


def test_a_counter_that_moved_before_the_window_does_not_matter() -> None:
    early = Reading("gpu0", 5 * NS, 5 * NS, {"sw_thermal_s": 0.0})
    found = gates(energy=energy_with(role="single"), readings=[early, *readings("sw_thermal_s", 7.0, 7.0)])
    assert found["throttling"].status == "passed"


def test_a_power_limit_that_was_asked_for_may_be_reached() -> None:
    capped = OperatingPoint("cap-400", power_limit_w={"single": 400.0})
    found = gates(run={"point": capped}, energy=energy_with(role="single"), readings=readings("sw_power_cap_s", 0, 5))
    assert found["power_cap"].status == "not_applicable"


@pytest.mark.parametrize(
    ("median_mhz", "status"), [(1005.0, "passed"), (990.0, "passed"), (985.0, "failed"), (None, "failed")]
)
def test_the_clock_is_the_one_asked_for(median_mhz: float | None, status: str) -> None:
    locked = OperatingPoint("1005", sm_clock_mhz={"single": 1005})
    energy = energy_with(role="single", sm_clock_mhz=Distribution(1, p50=median_mhz))
    assert gates(run={"point": locked}, energy=energy)["clock_as_requested"].status == status


@pytest.mark.parametrize(
    ("median_mhz", "status"),
    [(1425.0, "passed"), (700.0, "passed"), (590.0, "passed"), (570.0, "failed"), (1440.0, "failed")],
)
def test_under_a_ceiling_the_clock_may_be_anywhere_in_its_range(median_mhz: float, status: str) -> None:
    """600 to 1410 MHz, and 15 MHz more on both sides; a power limit that holds it there is no doubt about it."""
    point = OperatingPoint("band", sm_clock_mhz={"single": 1410}, sm_clock_min_mhz={"single": 600})
    energy = energy_with(role="single", sm_clock_mhz=Distribution(1, p50=median_mhz))
    found = gates(run={"point": point}, energy=energy, readings=readings("sw_power_cap_s", 0.0, 0.25))
    assert found["clock_as_requested"].status == status
    assert found["clock_as_requested"].seen == f"gpu0 {median_mhz:.0f} for 600 to 1410 MHz"
    assert found["power_cap"].status == "not_applicable"


def not_applied(point: OperatingPoint, state: PointState = "not_permitted") -> dict[str, Any]:
    return {"point": point, "applied": AppliedPoint(state, reason="the driver says: no permission")}


@pytest.mark.parametrize(
    ("point", "state", "seen"),
    [
        (
            OperatingPoint("1005", sm_clock_mhz={"single": 1005}),
            "not_permitted",
            "1005 was not applied, not permitted: the driver says: no permission",
        ),
        (
            OperatingPoint("300w", power_limit_w={"single": 300.0}),
            "failed",
            "300w was not applied, failed: the driver says: no permission",
        ),
    ],
)
def test_a_point_that_was_not_applied_is_never_as_requested(
    point: OperatingPoint, state: PointState, seen: str
) -> None:
    """Not permitted 1005 MHz, a GPU that idles its way to a median of 1005 MHz passed; a limit alone had no gate."""
    energy = energy_with(role="single", sm_clock_mhz=Distribution(1, p50=1005.0))
    gate = gates(run=not_applied(point, state), energy=energy)["clock_as_requested"]
    assert (gate.status, gate.seen) == ("failed", seen)


@pytest.mark.parametrize(
    "point",
    [
        OperatingPoint("1005", sm_clock_mhz={"single": 1005}),  # was a failed gate, though no clock was held
        OperatingPoint("300w", power_limit_w={"single": 300.0}),  # was told as the purpose of a limit never set
    ],
)
def test_the_cap_of_a_point_that_was_not_applied_is_that_of_stock_clocks(point: OperatingPoint) -> None:
    found = gates(
        run=not_applied(point), energy=energy_with(role="single"), readings=readings("sw_power_cap_s", 0.0, 0.25)
    )["power_cap"]
    assert (found.status, found.seen) == (
        "not_applicable",
        "no core clock was locked; gpu0 sw_power_cap_s +0.25",
    )


FOUND = GpuIdentity(0, "GPU-0", "H200", power_limit_w=700.0, default_power_limit_w=700.0, clocks_held=False)


@pytest.mark.parametrize(
    ("found", "state", "reasons", "seen"),
    [
        (FOUND, "stock", (0, 4, 0), None),
        (replace(FOUND, power_limit_w=300.0), "stock", (), "GPU 0: power limit 300 W (default 700 W)"),
        (replace(FOUND, power_limit_w=300.0), "refused", (), "GPU 0: power limit 300 W (default 700 W)"),
        (FOUND, "stock", (0, 2, 2, 2), "gpu0: clocks held by somebody: held down in 75.0% of the readings"),
        (FOUND, "failed", (2, 2), "gpu0: clocks held by somebody: held down in 100.0% of the readings"),
        (FOUND, "applied", (2, 2), None),  # by this project, as asked
    ],
)
def test_gpus_that_somebody_else_has_changed(
    found: GpuIdentity, state: Any, reasons: tuple[int, ...], seen: str | None
) -> None:
    """`stock` was measured at 1005 MHz and 300 W of a killed run, and stored without a mark."""
    gate = gates(
        run={"applied": AppliedPoint(state, before=(found,))},
        energy=energy_with(role="single"),
        readings=readings("clock_event_reasons", *reasons),
    )["stock_state"]
    assert (gate.status, gate.seen) == (("passed", "nothing changed") if seen is None else ("failed", seen))


def test_without_gpus_there_is_no_stock_to_depart_from() -> None:
    assert gates(CPU)["stock_state"].status == "not_applicable"


def test_foreign_processes_are_named() -> None:
    gate = gates(foreign_processes=("pid 4711 on gpu0: 20 GiB",))["foreign_processes"]
    assert (gate.status, gate.seen) == ("failed", "pid 4711 on gpu0: 20 GiB")
    assert gates(foreign_processes=())["foreign_processes"].status == "passed"


@pytest.mark.parametrize(("length_s", "status"), [(5.0, "passed"), (4.9, "failed")])
def test_windows_below_five_seconds_are_too_short_for_the_counter(length_s: float, status: str) -> None:
    assert gates(window=Window(10.0, 10.0 + length_s, "steady", ""))["window_length"].status == status


def test_a_wrong_token_count_is_shown() -> None:
    requests = [request(0), request(1, num_output_tokens=3), request(2, outcome="timeout", num_output_tokens=1)]
    gate = gates(requests=requests)["token_counts"]
    assert gate.status == "failed"
    assert gate.seen == "1 of 2 requests differ; request 1: prompt 16 of 16, output 3 of 4"
    assert gates()["token_counts"].status == "passed"
    assert gates(requests=[request(0, num_prompt_tokens=15)])["token_counts"].status == "failed"


def test_a_server_that_tells_no_counts_is_not_judged_by_them() -> None:
    silent = [request(0, num_prompt_tokens=None, num_output_tokens=None)]
    assert gates(requests=silent)["token_counts"].status == "not_applicable"


@pytest.mark.parametrize(("failed_fraction", "status"), [(0.02, "passed"), (0.03, "failed")])
def test_failed_requests_within_the_workloads_limit(failed_fraction: float, status: str) -> None:
    workload = replace(GPU.run.workload, max_failed_fraction=0.02)
    throughput = replace(GPU.result.throughput, failed_fraction=failed_fraction)
    assert gates(run={"workload": workload}, throughput=throughput)["failed_requests"].status == status


@pytest.mark.parametrize(("stretch", "status"), [(1.0, "passed"), (1.05, "passed"), (1.06, "failed")])
def test_answers_leave_as_fast_as_requests_arrive(stretch: float, status: str) -> None:
    """Ten requests, one a second; their ends drawn apart by the factor: 0.95 of the rate is 1.0526."""
    requests = [request(i, end_mono_ns=round((i * stretch + 2) * NS)) for i in range(10)]
    open_loop = replace(GPU.run.workload, arrival=ArrivalSpec("poisson", rate_rps=1.0))
    gate = gates(run={"workload": open_loop}, requests=requests)["achieved_rate"]
    assert gate.status == status
    assert gate.seen.startswith(f"{1 / stretch:.3g} of 1 requests/s")
    assert gates(requests=requests)["achieved_rate"].status == "not_applicable"  # a closed loop follows the server


@pytest.mark.parametrize(
    ("late_s", "ttft_s", "status"), [(0.005, 0.02, "passed"), (0.006, 0.02, "failed"), (0.01, 0.2, "passed")]
)
def test_the_client_is_on_time_beside_what_it_measures(late_s: float, ttft_s: float, status: str) -> None:
    latency = replace(GPU.result.latency, lateness_s=Distribution(9, p99=late_s), ttft_s=Distribution(9, p50=ttft_s))
    assert gates(latency=latency)["client_lateness"].status == status


def test_without_a_ttft_the_client_is_held_to_the_fixed_limit() -> None:
    """No request answered: there is nothing to be late beside."""
    latency = replace(GPU.result.latency, lateness_s=Distribution(9, p99=0.006), ttft_s=NONE)
    gate = gates(latency=latency)["client_lateness"]
    assert (gate.status, gate.expected) == ("failed", "p99 of sent - scheduled at most 5.0 ms")


def test_a_steady_window_is_found_or_the_reason_told() -> None:
    gate = gates(window=Window(0.0, 30.0, "whole", "the rate never settled"))["steady_window"]
    assert (gate.status, gate.seen) == ("failed", "the rate never settled")
    waves = replace(GPU.run.workload, arrival=ArrivalSpec("waves", wave_sizes=(4, 8)))
    assert gates(run={"workload": waves})["steady_window"].status == "not_applicable"


def transferred(external: float | None, prompt: float | None) -> TransferResult:
    return TransferResult("none", NONE, NONE, None, external, prompt)


@pytest.mark.parametrize(
    ("transfer", "status"),
    [
        (transferred(219_252, 219_445), "passed"),  # measured: one token a request recomputed
        (transferred(150, 160), "passed"),  # ten requests of 16 tokens, one of each recomputed
        (transferred(148, 160), "failed"),
        (transferred(0, 10), "failed"),  # one token a request, but nothing was ever transferred
        (transferred(None, None), "failed"),
        (transferred(None, 160), "failed"),
        (transferred(150, None), "failed"),
        (None, "failed"),
    ],
)
def test_disaggregation_is_proven_by_the_tokens_that_were_transferred(
    transfer: TransferResult | None, status: str
) -> None:
    assert gates(DISAGGREGATED, transfer=transfer)["disaggregation"].status == status
    assert gates(GPU, transfer=transfer)["disaggregation"].status == "not_applicable"


@pytest.mark.parametrize(("prompt", "status"), [(192, "passed"), (193, "failed")])
def test_the_warm_ups_prompts_are_prompts_too(prompt: int, status: str) -> None:
    """10 requests and 2 of warm-up, each with one token left to decode: 12 of 192 (6 %) are what was agreed.

    The servers' counters hold the warm-up, the limit once did not: 12 of 192 tokens failed a limit of 10.
    """
    warmed = replace(DISAGGREGATED.run.workload, num_warmup_requests=2)
    found = gates(DISAGGREGATED, run={"workload": warmed}, transfer=transferred(180, prompt))
    assert found["disaggregation"].status == status


@pytest.mark.parametrize(
    ("e2e", "status"),
    [
        (Distribution(100, p99=5.0), "passed"),
        (Distribution(100, p99=5.1), "failed"),
        (Distribution(100, p99=1.0, num_at_least=1), "passed"),
        (Distribution(100, p99=1.0, num_at_least=2), "failed"),
        (Distribution(99, max=60.0), "not_applicable"),
    ],
    ids=["half the window", "more than half", "one in a hundred timed out", "p99 is a time-out", "no p99 claimed"],
)
def test_a_window_is_long_beside_the_p99_that_it_claims(e2e: Distribution, status: str) -> None:
    """In a window of 10 s."""
    assert gates(latency=replace(GPU.result.latency, e2e_s=e2e))["latency_tail"].status == status


def test_below_a_hundred_requests_the_latest_send_is_judged() -> None:
    """Without it a client that was late in a short run would be told as one that sent nothing."""
    late = replace(GPU.result.latency, lateness_s=Distribution(30, max=0.2), ttft_s=Distribution(30, p50=0.02))
    gate = gates(latency=late)["client_lateness"]
    assert (gate.status, gate.seen) == ("failed", "200.0 ms")


def test_every_failed_gate_says_what_to_do() -> None:
    found = gates(
        DISAGGREGATED,
        sampler=report(num_missed_slots=500),
        foreign_processes=("pid 1",),
        window=Window(0.0, 1.0, "whole", "too short"),
    )
    failed = [gate for gate in found.values() if gate.status == "failed"]
    assert len(failed) >= 5
    assert all(gate.seen and gate.expected and gate.remedy for gate in failed)
