"""A hand-made timeline pins where every phase and every telemetry reading lies.

The original system compared request times relative to the start with absolute time stamps of the GPU, so that every
sample came out "idle": 51 of 51, 877 of 877, 1469 of 1469.
"""

from dataclasses import replace

import pandas as pd
import pytest
from fakes.requests import ok_request

from llmdvfs.analysis.axis.phases import decode_step_ns, phase_intervals
from llmdvfs.analysis.axis.timeline import timeline, timeline_csv
from llmdvfs.records.phases import EngineSteps, PhaseInterval, PhasesRecord, phase_of
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.readings import readings_of
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import DeviceRole
from llmdvfs.records.telemetry import Reading

S = 1_000_000_000
START = 7_000 * S  # an absolute monotonic instant, far from 0: the fault of the original would show


def phases_record(
    intervals: tuple[PhaseInterval, ...], device_roles: dict[str, DeviceRole], *steps: EngineSteps
) -> PhasesRecord:
    return PhasesRecord(intervals, device_roles, 0.0, 10.0, 0.0, 10.0, steps)


def request(
    index: int, sent_s: float, chunks_s: list[float], end_s: float | None = None, **changes: object
) -> RequestRecord:
    at = [START + int(t * S) for t in chunks_s]
    end = START + int(end_s * S) if end_s is not None else at[-1]
    sent = START + int(sent_s * S)
    answered = ok_request(index, scheduled_mono_ns=sent, sent_mono_ns=sent, chunk_mono_ns=at, end_mono_ns=end)
    return replace(answered, **changes)  # type: ignore[arg-type]


def stamps(index: int, received: float, sent: float, done: float | None, first: float | None) -> ProxyRecord:
    def at(t_s: float | None) -> int | None:
        return None if t_s is None else START + int(t_s * S)

    return ProxyRecord(
        f"r{index}",
        START + int(received * S),
        "prefill-0",
        at(sent),
        at(done),
        "decode-0",
        at(done),
        None,
        at(first),
        None,
        200,
        None,
    )


def seen(intervals: tuple[PhaseInterval, ...]) -> list[tuple[str, str, float, float]]:
    return [(i.phase, i.role, round(i.begin_s, 6), round(i.end_s, 6)) for i in intervals]


def test_single_server_has_prefill_until_the_first_token_then_decode() -> None:
    intervals = phase_intervals([request(0, 1.0, [1.5, 1.6, 1.7])], {}, started_mono_ns=START)
    assert seen(intervals) == [("prefill", "single", 1.0, 1.5), ("decode", "single", 1.5, 1.7)]
    assert [i.is_bound for i in intervals] == [True, False]


def test_disaggregated_request_is_prefill_transfer_decode_on_their_own_roles() -> None:
    """The gap between tokens is 0.1 s, so the decode step of the first token began 0.1 s before its byte, at 2.4 s."""
    intervals = phase_intervals(
        [request(0, 1.0, [2.5, 2.6, 2.7])], {"r0": stamps(0, 1.01, 1.02, 2.0, 2.5)}, started_mono_ns=START
    )
    assert seen(intervals) == [
        ("prefill", "prefill", 1.02, 2.0),
        ("transfer", "decode", 2.0, 2.4),
        ("decode", "decode", 2.4, 2.7),
    ]


def test_transfer_is_never_negative() -> None:
    """Where decode answers within one step of prefill's end the bound leaves nothing for the transfer."""
    intervals = phase_intervals(
        [request(0, 1.0, [2.05, 2.15])], {"r0": stamps(0, 1.0, 1.0, 2.0, 2.05)}, started_mono_ns=START
    )
    assert seen(intervals) == [("prefill", "prefill", 1.0, 2.0), ("decode", "decode", 2.0, 2.15)]


def test_failed_request_has_the_phases_it_got_to() -> None:
    failed = request(0, 1.0, [], end_s=1.8, outcome="stream_error", error="prefill died")
    assert seen(phase_intervals([failed], {}, started_mono_ns=START)) == [("prefill", "single", 1.0, 1.8)]
    proxied = phase_intervals([failed], {"r0": stamps(0, 1.0, 1.1, None, None)}, started_mono_ns=START)
    assert seen(proxied) == [("prefill", "prefill", 1.1, 1.8)]


def test_request_that_was_never_sent_has_no_phase() -> None:
    unsent = request(0, 1.0, [], end_s=1.0, sent_mono_ns=None, outcome="disconnected", error="no connection")
    assert phase_intervals([unsent], {}, started_mono_ns=START) == ()


def test_decode_step_is_the_median_gap() -> None:
    assert decode_step_ns([request(0, 0.0, [1.0, 1.1, 1.2, 2.2])]) == int(0.1 * S)
    assert decode_step_ns([request(0, 0.0, [1.0])]) == 0


@pytest.mark.parametrize(
    ("counts", "phase"),
    [
        ((0, 0, 0), "idle"),
        ((2, 0, 0), "prefill"),
        ((0, 0, 3), "decode"),
        ((1, 0, 1), "mixed"),
        ((0, 1, 0), "transfer"),
        ((0, 1, 1), "decode"),
        ((1, 1, 0), "prefill"),
    ],
)
def test_phase_of_counts(counts: tuple[int, int, int], phase: str) -> None:
    assert phase_of(*counts) == phase


def table(readings: list[Reading], phases: PhasesRecord, *, started_mono_ns: int) -> pd.DataFrame:
    return pd.DataFrame(timeline(readings_of(readings), phases, started_mono_ns=started_mono_ns))


def test_every_reading_gets_its_phase_on_its_own_device() -> None:
    intervals = phase_intervals(
        [request(0, 1.0, [2.5, 2.6, 2.7]), request(1, 1.5, [3.0, 3.1])],
        {"r0": stamps(0, 1.0, 1.0, 2.0, 2.5), "r1": stamps(1, 1.5, 1.5, 2.6, 3.0)},
        started_mono_ns=START,
    )
    instants = [0.5, 1.2, 1.7, 2.2, 2.55, 2.8, 3.05, 3.5]
    readings = [
        Reading(device, START + int(t * S) - 1000, START + int(t * S) + 1000, {"power_instant_w": 100.0 + t})
        for t in instants
        for device in ("gpu0", "gpu1", "gpu7")
    ]
    frame = table(readings, phases_record(intervals, {"gpu0": "prefill", "gpu1": "decode"}), started_mono_ns=START)
    phases = {device: list(rows["phase"]) for device, rows in frame.groupby("device_id")}
    assert phases["gpu0"] == ["idle", "prefill", "prefill", "prefill", "prefill", "idle", "idle", "idle"]
    # 2.2: r0 on its way; 2.55: r0 decodes; 2.8: r1 on its way; 3.05: r1 decodes
    assert phases["gpu1"] == ["idle", "idle", "idle", "transfer", "decode", "transfer", "decode", "idle"]
    assert set(phases["gpu7"]) == {"idle"}  # serves nobody here
    assert list(frame[frame.device_id == "gpu0"]["num_prefilling"]) == [0, 1, 2, 1, 1, 0, 0, 0]
    assert list(frame[frame.device_id == "gpu0"]["t_s"].round(6)) == instants
    assert list(frame[frame.device_id == "gpu0"]["power_instant_w"]) == [100.0 + t for t in instants]


def test_host_device_sees_the_phases_of_all_roles() -> None:
    intervals = phase_intervals(
        [request(0, 1.0, [2.5, 2.6]), request(1, 2.45, [3.5])],
        {"r0": stamps(0, 1.0, 1.0, 2.0, 2.5), "r1": stamps(1, 2.45, 2.45, 3.0, 3.5)},
        started_mono_ns=START,
    )
    readings = [Reading("cpu", START + int(t * S), START + int(t * S), {}) for t in (1.5, 2.55)]
    frame = table(readings, phases_record(intervals, {"cpu": "host"}), started_mono_ns=START)
    assert list(frame["phase"]) == ["prefill", "mixed"]


def test_the_phase_of_a_reading_is_what_the_engine_did_not_what_a_client_can_see() -> None:
    """A stream that waits while another's prompt is prefilled looks as if it decoded, and both together like `mixed`.

    The energies went by the engine's steps, the timeline did not: its readings were `mixed` where no step ever was.
    """
    intervals = (
        PhaseInterval(0, "decode", "single", 1.0, 3.0, is_bound=False),
        PhaseInterval(1, "prefill", "single", 1.5, 2.0, is_bound=False),
    )
    steps = (
        EngineSteps("single", "decode", 1.0, 1.5, 50, 1, 0),
        EngineSteps("single", "prefill", 1.5, 2.0, 1, 0, 2048),
        EngineSteps("single", "decode", 2.0, 3.0, 100, 2, 0),
    )
    readings = [Reading("gpu0", START + int(t * S), START + int(t * S), {}) for t in (1.2, 1.7, 2.5, 3.5)]
    frame = table(readings, phases_record(intervals, {"gpu0": "single"}, *steps), started_mono_ns=START)
    assert list(frame["phase"]) == ["decode", "prefill", "decode", "idle"]
    assert list(frame["num_decoding"]) == [1, 1, 1, 0]  # of requests: the one that waits has begun


def test_a_large_counter_keeps_its_steps_in_the_csv() -> None:
    """With nine digits a counter of 2e10 J moved in steps of 100 J: four readings 0.5 J apart were the same number."""
    values = [20_000_000_000.25 + 0.5 * step for step in range(4)]
    readings = [Reading("gpu0", step, step, {"energy_j": value}) for step, value in enumerate(values)]
    lines = timeline_csv(timeline(readings_of(readings), phases_record((), {}), started_mono_ns=0)).splitlines()
    assert [line.rsplit(",", 1)[1] for line in lines[1:]] == [
        "20000000000.25",
        "20000000000.75",
        "20000000001.25",
        "20000000001.75",
    ]


def test_the_timeline_is_written_as_pandas_would() -> None:
    """Whole numbers stay whole, a quantity that was never read is empty, and a counter keeps its digits."""
    readings = [
        Reading("cpu", START, START, {"energy_j": 2e10 + 0.001, "cpu_clock_mhz": 2400, "power_instant_w": None}),
        Reading("cpu", START + S, START + S, {"cpu_clock_mhz": 3100}),
    ]
    found = timeline(readings_of(readings), phases_record((), {"cpu": "single"}), started_mono_ns=START)
    text = timeline_csv(found)
    assert text == pd.DataFrame(found).to_csv(index=False, float_format="%.15g")
    assert text.splitlines() == [
        "t_s,device_id,role,phase,num_prefilling,num_transferring,num_decoding,power_instant_w,energy_j,cpu_clock_mhz",
        "0,cpu,single,idle,0,0,0,,20000000000.001,2400",
        "1,cpu,single,idle,0,0,0,,,3100",
    ]
