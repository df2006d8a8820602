"""Operating points that change under a running load: cells as any others, whatever ends one of them.

Each sweep takes half a minute, nearly all of it waiting for points to settle: they go on side by side.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from fakes.nvml import NO_PERMISSION
from faults.place import Machine, Place

from llmdvfs.analysis.axis.merge import merge
from llmdvfs.analysis.cell import analyze_cell
from llmdvfs.records.raw import RawCell, read_raw
from llmdvfs.records.result import CellResult

CLOCKS = (600, 1005, 1410)
POINTS = {"stock": {}, "low": {"sm_clock_mhz": {"single": list(CLOCKS)}}}
STEPS = ("stock", *(f"low-{clock}" for clock in CLOCKS), "stock-repeat-1")
AS_FOUND = (0, 3201, 700)
RUN_LIMIT_S = 300
UNKNOWN_ERROR = 999


def play(scenario: Callable[[Place], None], place: Place) -> None:
    """Let a scenario happen to five steps on one server: three clocks between two times stock."""
    place.study |= {"operating_points": POINTS}
    place.study["measure"] = {"idle_s": 0.8, "calibrate_client": False, "points_under_load": True}
    for gpu in range(2):
        place.gpus.set_property(gpu, "settling_s", 0.0)
    try:
        scenario(place)
    finally:
        place.close()


@pytest.fixture(scope="module")
def outcomes(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    folder = tmp_path_factory.mktemp("sweeps")
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {
            name: pool.submit(play, scenario, Place(folder / name, machine, architecture=architecture_of(name)))
            for name, scenario in SCENARIOS.items()
        }


def architecture_of(scenario: str) -> str:
    return "replicated-2" if "proxy" in scenario else "single"


def cells(place: Place) -> dict[str, RawCell]:
    """What was measured, by operating point."""
    folders = [folder for folder in place.cells() if (folder / "run.json").exists()]
    return {folder.parents[1].name: read_raw(folder) for folder in folders}


def result(raw: RawCell) -> CellResult:
    phases, _ = merge(raw)
    return analyze_cell(raw, phases, limits={"min_window_s": 0.5}, seed=1)


def is_held(place: Place) -> bool:
    return place.gpus.setting(0) != AS_FOUND


def all_came_back(place: Place) -> bool:
    return not place.held_locks() and not list(place.locks.glob("*.json")) and not is_held(place)


def gates(found: CellResult) -> dict[str, str]:
    return {gate.name: gate.status for gate in found.gates}


def under_load(raw: RawCell) -> Any:
    assert raw.run.under_load is not None
    return raw.run.under_load


def five_points_share_a_server_a_client_and_a_load(place: Place) -> None:
    place.study["measure"] = place.study["measure"] | {"idle_at_points_s": 0.3}
    run = place.start("job")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    measured = cells(place)
    assert sorted(measured) == sorted(STEPS)
    idle_w = {point: under_load(raw).idle_at_point_w["gpu0"] for point, raw in measured.items()}
    assert idle_w["low-600"] < idle_w["low-1005"] < idle_w["low-1410"] < idle_w["stock"], "each lock was held"
    assert idle_w["stock"] == idle_w["stock-repeat-1"] == pytest.approx(400.0, rel=0.02)
    order = sorted(measured, key=lambda point: under_load(measured[point]).step)
    assert (order[0], order[-1]) == ("stock", "stock-repeat-1")
    assert len({under_load(raw).sweep for raw in measured.values()}) == 1
    assert len({raw.run.server_start.id for raw in measured.values()}) == 1
    assert [measured[point].run.order_in_launch for point in order] == list(range(5))
    assert all_came_back(place)
    assert not list((place.results / "drafts").iterdir())
    assert "of the sweep's time was measured" in run.output
    for point, raw in measured.items():
        step, found = under_load(raw), result(raw)
        begin, end = step.window_mono_ns
        assert step.is_settled, step.settled_by
        assert step.has_held_all
        assert 0.8 <= (end - begin) / 1e9 < 5.0
        assert 2.0 <= step.settle_s < 60.0
        (device,) = [device for device in found.energy.devices if device.role is not None]
        assert device.sm_clock_mhz.p50 == (1980 if "stock" in point else float(point.removeprefix("low-")))
        assert gates(found)["clock_as_requested"] == ("not_applicable" if "stock" in point else "passed")
        assert device.idle_power_w is not None
        assert len(raw.run.idle_windows_mono_ns) == 2
        assert found.window.begin_s == pytest.approx(step.settle_s)
        scheduled = [r for r in raw.requests if begin <= r.scheduled_mono_ns <= end]
        assert scheduled
        assert all(r.ok for r in scheduled)
        assert found.latency.e2e_s.n == len(scheduled)
        # two in flight that began before: their tokens count in the window, their latencies do not
        assert any(r.scheduled_mono_ns < begin < (r.end_mono_ns or 0) for r in raw.requests)
    seen = under_load(measured["low-600"]).probe.roles["single"]
    assert seen.sm_clock_p50_mhz == seen.sm_clock_p10_mhz == seen.sm_clocks_mhz[-1] == 1980
    assert seen.power_w == pytest.approx(400.0, rel=0.02)
    windows = sorted(under_load(raw).window_mono_ns for raw in measured.values())
    assert all(before[1] < after[0] for before, after in pairwise(windows))


def a_client_that_is_killed_costs_its_own_step(place: Place) -> None:
    run = place.start("job")
    assert run.meets(lambda: run.output.count("measured for") >= 2, RUN_LIMIT_S), run.output
    os.kill(place.found("load generator", 10.0), signal.SIGKILL)
    assert run.wait(RUN_LIMIT_S) == 1
    measured = cells(place)
    assert len(measured) == 4, run.output
    assert len({under_load(raw).sweep for raw in measured.values()}) == 2
    assert len({raw.run.server_start.id for raw in measured.values()}) == 1
    assert "the load generator ended by SIGKILL" in run.output
    assert all_came_back(place)
    assert list((place.results / "failed").glob("*/journal.bin"))


def a_server_that_dies_in_the_third_step_leaves_two_and_the_others_get_another(place: Place) -> None:
    run = place.start("job")
    assert run.meets(lambda: run.output.count("measured for") >= 2, RUN_LIMIT_S), run.output
    os.kill(place.found("engine", 10.0), signal.SIGKILL)
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    measured = cells(place)
    assert sorted(measured) == sorted(STEPS)
    starts = [raw.run.server_start.id for raw in measured.values()]
    assert sorted(starts.count(start) for start in set(starts)) == [2, 3]
    assert all(under_load(raw).probe is not None for raw in measured.values())
    assert all_came_back(place)


def a_server_that_hangs_is_one_that_died(place: Place) -> None:
    run = place.start("job")
    assert run.meets(lambda: "stock/launch-1: settled" in run.output, RUN_LIMIT_S), run.output
    place.servers_now(hangs=True)
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    assert "the load was ended early: no byte on any of" in run.output
    starts = [raw.run.server_start.id for raw in cells(place).values()]
    assert sorted(starts.count(start) for start in set(starts)) == [1, 4]


def a_proxy_has_stamped_the_requests_of_each_step(place: Place) -> None:
    place.study["operating_points"] = {"stock": {}, "low": {"sm_clock_mhz": {"single": 1005}}}
    run = place.start("job")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    measured = cells(place)
    assert sorted(measured) == ["low", "stock", "stock-repeat-1"]
    for raw in measured.values():
        assert set(raw.proxy) == {request.request_id for request in raw.requests}
        balance = result(raw).balance
        assert balance is not None
        assert len(balance.requests_by_instance) == 2
    assert [setting.index for setting in measured["low"].run.applied_point.settings] == [0, 1]


def ended_by(place: Place, number: signal.Signals) -> None:
    run = place.start("job")
    assert run.meets(lambda: "stock/launch-1: settled" in run.output and is_held(place), RUN_LIMIT_S), run.output
    os.kill(place.found("benchmark job", 10.0), number)
    run.wait(RUN_LIMIT_S)
    run.wait_for(lambda: all_came_back(place), 30.0)


def an_interrupted_job_gives_the_gpus_back_and_keeps_the_steps_before(place: Place) -> None:
    ended_by(place, signal.SIGINT)
    assert {read_raw(folder).run.point.id for folder in (place.results / "store").glob("*")} == {"stock"}
    run = place.start("job")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    assert "1 of 5 cells are in the store already" in run.output
    assert sorted(cells(place)) == sorted(STEPS)


def a_killed_job_gives_the_gpus_back_and_loses_the_running_step_alone(place: Place) -> None:
    ended_by(place, signal.SIGKILL)
    run = place.start("job")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    assert "a job that was killed had measured 1 of these points: they are taken over" in run.output
    measured = cells(place)
    assert sorted(measured) == sorted(STEPS)
    assert len({under_load(raw).sweep for raw in measured.values()}) == 2
    kept = result(measured["stock"])
    assert gates(kept)["missed_samples"] == "passed"  # the sampler outlived the step, though not the sweep
    assert len(measured["stock"].run.idle_windows_mono_ns) == 1
    assert [device.idle_power_w is not None for device in kept.energy.devices if device.role] == [True]


def a_gpu_that_does_not_come_back_ends_the_launch_after_the_steps_before(place: Place) -> None:
    run = place.start("job")
    assert run.meets(lambda: is_held(place), RUN_LIMIT_S), run.output
    place.gpus.deny(0, ["reset_sm"], UNKNOWN_ERROR)
    assert run.wait(RUN_LIMIT_S) == 1
    assert "nvidia-smi -i 0 -rgc" in run.output
    assert list(cells(place)) == ["stock"]
    assert is_held(place)


def a_point_that_is_not_permitted_is_measured_as_stock_and_says_so(place: Place) -> None:
    place.gpus.deny(0, ["lock_sm"], NO_PERMISSION)
    run = place.start("job")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    states = {point: raw.run.applied_point.state for point, raw in cells(place).items()}
    assert states == {point: "stock" if "stock" in point else "not_permitted" for point in STEPS}
    assert all(under_load(raw).probe.roles["single"].sm_clock_p50_mhz == 1980 for raw in cells(place).values())
    assert gates(result(cells(place)["low-600"]))["clock_as_requested"] == "failed"


def a_clock_that_the_load_cannot_hold_is_skipped_with_the_reason(place: Place) -> None:
    """At stock the power limit holds the GPU below 1980 MHz: a lock above what it held would be a label."""
    place.study["operating_points"] = {"stock": {}, "low": {"sm_clock_mhz": {"single": [1005, 1980]}}}
    place.study["measure"] = place.study["measure"] | {"skip_cap_bound": True}
    place.study["tolerate_failed_cells"] = True
    place.gpus.set_power(0, 1000.0)
    run = place.start("job")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    measured = cells(place)
    assert sorted(measured) == ["low-1005", "stock", "stock-repeat-1"]
    held_mhz = under_load(measured["stock"]).probe.roles["single"].sm_clock_p50_mhz
    assert 1005 < held_mhz < 1965
    assert "low-1980/launch-1: skipped: single: 1980 MHz asked, stock holds" in run.output
    assert not list((place.results / "failed").glob("*"))


SCENARIOS: dict[str, Callable[[Place], None]] = {
    scenario.__name__: scenario
    for scenario in (
        five_points_share_a_server_a_client_and_a_load,
        a_client_that_is_killed_costs_its_own_step,
        a_server_that_dies_in_the_third_step_leaves_two_and_the_others_get_another,
        a_server_that_hangs_is_one_that_died,
        a_proxy_has_stamped_the_requests_of_each_step,
        an_interrupted_job_gives_the_gpus_back_and_keeps_the_steps_before,
        a_killed_job_gives_the_gpus_back_and_loses_the_running_step_alone,
        a_gpu_that_does_not_come_back_ends_the_launch_after_the_steps_before,
        a_point_that_is_not_permitted_is_measured_as_stock_and_says_so,
        a_clock_that_the_load_cannot_hold_is_skipped_with_the_reason,
    )
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_points_under_load(name: str, outcomes: dict[str, Future[None]]) -> None:
    outcomes[name].result()
