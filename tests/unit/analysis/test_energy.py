"""The energy of a deployment, worked out by hand: constant powers, counters that are read exactly."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from llmdvfs.analysis.energy.cell import EnergySettings, energy_result
from llmdvfs.records.phases import PhaseInterval, PhasesRecord
from llmdvfs.records.readings import readings_of
from llmdvfs.records.result import EnergyResult
from llmdvfs.records.spec import DeviceRole
from llmdvfs.records.telemetry import EnergySource, Reading, TelemetryDevice, TelemetryHeader

START_NS = 7_000_000_000
END_S = 40.0
WINDOW_S = (10.0, 30.0)


def header(source: EnergySource, *devices: TelemetryDevice) -> TelemetryHeader:
    return TelemetryHeader(devices, 0.1, 0.02, 0, 0.0, source)


def gpu(device_id: str) -> TelemetryDevice:
    return TelemetryDevice(device_id, "gpu", "made up")


def read(device_id: str, power_w: float, idle_w: float, *, counter: bool = True, power: bool = True) -> list[Reading]:
    """Every 100 ms a reading of a device that draws power_w from 5 to 35 s and idle_w before and after."""
    found = []
    for tenth in range(round(END_S * 10) + 1):
        t_s = tenth / 10
        values: dict[str, float | None] = {"sm_clock_mhz": 1980.0, "temperature_c": 50.0}
        busy_s = min(max(t_s - 5.0, 0.0), 30.0)
        if counter:
            values["energy_j"] = 123.0 + power_w * busy_s + idle_w * (t_s - busy_s)
        if power:
            values["power_instant_w"] = power_w if 5.0 <= t_s <= 35.0 else idle_w
        instant = START_NS + tenth * 100_000_000
        found.append(Reading(device_id, instant, instant, values))
    return found


def phases(device_roles: dict[str, DeviceRole], *intervals: PhaseInterval) -> PhasesRecord:
    return PhasesRecord(intervals, device_roles, 5.0, 35.0, *WINDOW_S)


def energy(
    header: TelemetryHeader,
    readings: list[Reading],
    phases: PhasesRecord,
    *,
    idle_windows_s: Sequence[tuple[float, float]] = ((1.0, 4.0), (36.0, 39.0)),
    idle_readings: list[Reading] | None = None,
) -> EnergyResult:
    return energy_result(
        header,
        readings_of(readings),
        phases,
        started_mono_ns=START_NS,
        idle_windows_s=idle_windows_s,
        idle_readings=None if idle_readings is None else readings_of(idle_readings),
        num_prompt_tokens=4000,
        num_output_tokens=1000,
        num_requests=20,
        mean_e2e_s=1.5,
        seed_bootstrap=0,
        settings=EnergySettings(),
    )


DECODING = PhaseInterval(0, "decode", "decode", 5.0, 35.0, is_bound=False)
PREFILLING = PhaseInterval(0, "prefill", "prefill", 5.0, 35.0, is_bound=False)
ALONE = PhaseInterval(0, "decode", "single", 5.0, 35.0, is_bound=False)


def test_every_figure_of_one_gpu() -> None:
    """400 W for 20 s are 8000 J, 80 W of them idle: net 6400 J; 4000 prompt and 1000 output tokens, 20 requests."""
    result = energy(header("nvml_counter", gpu("gpu0")), read("gpu0", 400, 80), phases({"gpu0": "single"}, ALONE))
    assert result.gross_j == pytest.approx(8000)
    assert result.net_j == pytest.approx(6400)
    assert result.mean_power_w == pytest.approx(400)
    assert result.energy_per_prompt_token_j == pytest.approx(2)
    assert result.energy_per_output_token_j == pytest.approx(8)
    assert result.energy_per_token_j == pytest.approx(1.6)
    assert result.energy_per_request_j == pytest.approx(400)
    assert result.output_tokens_per_j == pytest.approx(0.125)
    assert result.energy_delay_product_js == pytest.approx(600)
    assert result.phase_label == "attributed"
    device = result.devices[0]
    assert device.counter_j == pytest.approx(8000)
    assert device.integral_j == pytest.approx(8000)
    assert device.disagreement_fraction == pytest.approx(0)
    assert device.idle_power_w == pytest.approx(80)
    assert device.max_power_w == 400
    assert device.update_period_s == pytest.approx(0.1)
    assert device.sm_clock_mhz.p50 == 1980


@pytest.mark.parametrize("source", ["nvml_counter", "nvml_power"])
def test_idle_windows_of_a_sweep_lie_far_from_a_step(source: EnergySource) -> None:
    """80 W before and after the sweep, read for 3 s each; a curve through both would have a hole of minutes in it."""
    whole = read("gpu0", 400, 80)
    step = [r for r in whole if 8.0 <= (r.begin_mono_ns - START_NS) / 1e9 <= 32.0]
    minute = 60_000_000_000
    before = [
        replace(r, begin_mono_ns=r.begin_mono_ns - 5 * minute, end_mono_ns=r.end_mono_ns - 5 * minute)
        for r in whole[5:46]
    ]
    after = [
        replace(r, begin_mono_ns=r.begin_mono_ns + 9 * minute, end_mono_ns=r.end_mono_ns + 9 * minute)
        for r in whole[355:396]
    ]
    result = energy(
        header(source, gpu("gpu0")),
        step,
        phases({"gpu0": "single"}, ALONE),
        idle_windows_s=[(1.0 - 300.0, 4.0 - 300.0), (36.0 + 540.0, 39.0 + 540.0)],
        idle_readings=[*before, *after],
    )
    assert result.devices[0].idle_power_w == pytest.approx(80)
    assert result.gross_j == pytest.approx(8000)
    assert result.net_j == pytest.approx(6400)


def test_a_deployment_is_the_sum_of_its_roles_and_of_nothing_else() -> None:
    """GPU 0 prefills at 600 W, GPU 1 decodes at 300 W, GPU 2 computes for somebody else at 700 W."""
    result = energy(
        header("nvml_counter", gpu("gpu0"), gpu("gpu1"), gpu("gpu2")),
        [*read("gpu0", 600, 80), *read("gpu1", 300, 70), *read("gpu2", 700, 90)],
        phases({"gpu0": "prefill", "gpu1": "decode"}, PREFILLING, DECODING),
    )
    assert result.by_role_j == {"prefill": pytest.approx(12_000), "decode": pytest.approx(6_000)}
    assert result.gross_j == pytest.approx(18_000)
    assert result.net_j == pytest.approx(18_000 - 20 * (80 + 70))
    assert result.phase_label == "attributed"  # by regression, on the roles' own GPUs too
    assert {(p.role, p.phase): round(p.energy_j.value or 0) for p in result.phases} == {
        ("prefill", "prefill"): 12_000,
        ("decode", "decode"): 6_000,
    }
    stranger = result.devices[2]
    assert (stranger.role, stranger.counter_j) == (None, pytest.approx(14_000))


def test_without_a_sensor_everything_is_null_and_says_why() -> None:
    cpu = TelemetryDevice("cpu", "cpu", "made up")
    result = energy(header("none", cpu), [], phases({"cpu": "single"}, ALONE))
    assert result.method == "no power data on this machine"
    assert (result.gross_j, result.net_j, result.energy_per_output_token_j) == (None, None, None)
    assert (result.phases, result.phase_label, result.by_role_j) == ((), "none", {"single": None})
    assert [(d.device_id, d.role, d.counter_j, d.mean_power_w) for d in result.devices] == [
        ("cpu", "single", None, None)
    ]


def test_one_silent_gpu_makes_the_sum_unknown_not_smaller() -> None:
    result = energy(
        header("nvml_counter", gpu("gpu0"), gpu("gpu1")),
        read("gpu0", 600, 80),
        phases({"gpu0": "single", "gpu1": "single"}, ALONE),
    )
    assert result.gross_j is None
    assert result.devices[0].counter_j == pytest.approx(12_000)
    assert result.devices[1].counter_j is None
    assert result.phases == ()


def test_a_gap_in_the_readings_is_told_in_the_method() -> None:
    readings = [r for r in read("gpu0", 400, 80) if not 29.0 < (r.begin_mono_ns - START_NS) / 1e9 < 31.0]
    result = energy(header("nvml_counter", gpu("gpu0")), readings, phases({"gpu0": "single"}, ALONE))
    assert result.gross_j is None
    assert "energy counter of gpu0 was not read from 29.000 to 31.000 s" in result.method


def test_an_empty_window_has_no_mean_power() -> None:
    """No request succeeded: the window begins where it ends."""
    cell = replace(phases({"gpu0": "single"}), window_begin_s=12.0, window_end_s=12.0)
    result = energy(header("nvml_counter", gpu("gpu0")), read("gpu0", 400, 80), cell)
    assert result.gross_j == 0.0
    assert (result.mean_power_w, result.devices[0].mean_power_w, result.phases) == (None, None, ())


def test_no_idle_windows_no_net_energy() -> None:
    result = energy_result(
        header("nvml_counter", gpu("gpu0")),
        readings_of(read("gpu0", 400, 80)),
        phases({"gpu0": "single"}, ALONE),
        started_mono_ns=START_NS,
        idle_windows_s=[],
        num_prompt_tokens=0,
        num_output_tokens=0,
        num_requests=0,
        mean_e2e_s=None,
        seed_bootstrap=0,
        settings=EnergySettings(),
    )
    assert result.gross_j == pytest.approx(8000)
    assert (result.net_j, result.energy_per_request_j, result.energy_per_token_j) == (None, None, None)


def test_a_gpu_without_a_counter_is_integrated() -> None:
    readings = read("gpu0", 400, 80, counter=False)
    result = energy(header("nvml_power", gpu("gpu0")), readings, phases({"gpu0": "single"}, ALONE))
    assert result.gross_j == pytest.approx(8000)
    assert result.method.startswith("trapezoid of NVML power readings")
    assert result.devices[0].counter_j is None


def test_rapl_packages_count_like_counters_and_the_gpu_beside_them_does_not() -> None:
    package = TelemetryDevice("rapl-package-0", "rapl", "package-0")
    dram = TelemetryDevice("rapl-dram-0", "rapl", "dram")
    result = energy(
        header("rapl", package, dram, TelemetryDevice("cpu", "cpu", "made up")),
        [*read("rapl-package-0", 150, 50, power=False), *read("rapl-dram-0", 20, 5, power=False)],
        phases({"rapl-package-0": "host", "rapl-dram-0": "host", "cpu": "host"}, PREFILLING, DECODING),
    )
    assert result.gross_j == pytest.approx(20 * 170)
    assert result.net_j == pytest.approx(20 * (170 - 55))
    assert [(d.device_id, d.role) for d in result.devices] == [
        ("rapl-package-0", "host"),
        ("rapl-dram-0", "host"),
        ("cpu", None),
    ]
    assert result.devices[0].integral_j is None
    assert result.phase_label == "attributed"
    assert [(p.role, p.phase) for p in result.phases] == [("host", "mixed")]


def test_a_shifted_start_of_the_time_axis_changes_nothing() -> None:
    def shifted(reading: Reading) -> Reading:
        return replace(reading, begin_mono_ns=reading.begin_mono_ns + 10**15, end_mono_ns=reading.end_mono_ns + 10**15)

    arguments = {
        "idle_windows_s": [(1.0, 4.0)],
        "num_prompt_tokens": 1,
        "num_output_tokens": 1,
        "num_requests": 1,
        "mean_e2e_s": 1.0,
        "seed_bootstrap": 0,
        "settings": EnergySettings(),
    }
    readings, cell = read("gpu0", 400, 80), phases({"gpu0": "single"}, ALONE)
    here = energy_result(
        header("nvml_counter", gpu("gpu0")), readings_of(readings), cell, started_mono_ns=START_NS, **arguments
    )
    there = energy_result(
        header("nvml_counter", gpu("gpu0")),
        readings_of(shifted(reading) for reading in readings),
        cell,
        started_mono_ns=START_NS + 10**15,
        **arguments,
    )
    assert here == there


def test_a_display_gpu_without_a_sensor_leaves_the_served_gpu_its_energy() -> None:
    """The header's source was the worst of the host: `none` beside a display GPU, and a served H100 had no energy."""
    served, display = replace(gpu("gpu0"), energy_source="nvml_counter"), replace(gpu("gpu1"), energy_source="none")
    readings = [*read("gpu0", 400, 80), *read("gpu1", 0, 0, counter=False, power=False)]
    result = energy(header("none", served, display), readings, phases({"gpu0": "single"}, ALONE))
    assert result.source == "nvml_counter"
    assert result.gross_j == pytest.approx(8000)
    assert [(d.device_id, d.role) for d in result.devices] == [("gpu0", "single"), ("gpu1", None)]


def test_two_served_gpus_are_never_summed_from_two_kinds_of_sensor() -> None:
    """One of them has no counter: both are integrated, 20 s of 400 W and of 300 W."""
    first, second = replace(gpu("gpu0"), energy_source="nvml_counter"), replace(gpu("gpu1"), energy_source="nvml_power")
    readings = [*read("gpu0", 400, 80), *read("gpu1", 300, 80, counter=False)]
    roles: dict[str, DeviceRole] = {"gpu0": "prefill", "gpu1": "decode"}
    result = energy(header("nvml_power", first, second), readings, phases(roles, PREFILLING, DECODING))
    assert result.source == "nvml_power"
    assert result.gross_j == pytest.approx(20 * 700)


def test_a_counter_that_stands_still_at_zero_is_null_and_says_so() -> None:
    """Some virtual machines have a counter that nobody moves; it was told as 0 J, and as 0 J a token."""
    readings = [replace(r, values=r.values | {"energy_j": 0.0}) for r in read("gpu0", 400, 80)]
    result = energy(header("nvml_counter", gpu("gpu0")), readings, phases({"gpu0": "single"}, ALONE))
    assert result.gross_j is None
    assert result.energy_per_output_token_j is None
    assert "energy counter of gpu0 stood still at 0" in result.method
    assert result.devices[0].counter_j is None
    assert result.devices[0].integral_j == pytest.approx(8000)


def test_a_counter_that_went_back_inside_the_window_is_null_and_says_so() -> None:
    """The driver was loaded again at 20 s: a difference over the window would have been negative."""
    readings = [
        replace(r, values=r.values | {"energy_j": (r.values["energy_j"] or 0.0) - 6123.0})
        if r.begin_mono_ns > START_NS + 20 * 10**9
        else r
        for r in read("gpu0", 400, 80)
    ]
    result = energy(header("nvml_counter", gpu("gpu0")), readings, phases({"gpu0": "single"}, ALONE))
    assert result.gross_j is None
    assert "energy counter of gpu0 went back to a lower value" in result.method


def test_the_memorys_power_is_a_mean_over_the_window_and_null_without_its_sensor() -> None:
    """30 W before 20 s, 130 W from then on: in the window from 10 to 30 s 100 readings of one and 101 of the other."""
    readings = [
        replace(r, values=r.values | {"memory_power_w": 30.0 if r.begin_mono_ns < START_NS + 20 * 10**9 else 130.0})
        for r in read("gpu0", 400, 80)
    ]
    one_role = phases({"gpu0": "single"}, ALONE)
    result = energy(header("nvml_counter", gpu("gpu0")), readings, one_role)
    assert result.devices[0].memory_power_w == pytest.approx((100 * 30 + 101 * 130) / 201)
    assert result.gross_j == pytest.approx(8000)  # the memory's is a part of it
    without = energy(header("nvml_counter", gpu("gpu0")), read("gpu0", 400, 80), one_role)
    assert without.devices[0].memory_power_w is None
