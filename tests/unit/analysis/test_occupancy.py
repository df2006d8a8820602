import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Level, role_occupancy
from llmdvfs.records.phases import PhaseInterval
from llmdvfs.records.spec import Phase

# Two requests on one GPU, one after the other but for an overlap:
#   request 0: prefill 1-2, decode 2-6;  request 1: prefill 4-5, decode 5-8
INTERVALS = (
    PhaseInterval(0, "prefill", "single", 1.0, 2.0, False),
    PhaseInterval(0, "decode", "single", 2.0, 6.0, False),
    PhaseInterval(1, "prefill", "single", 4.0, 5.0, False),
    PhaseInterval(1, "decode", "single", 5.0, 8.0, False),
)


def test_prefill_beside_decode_is_mixed() -> None:
    occupancy = role_occupancy(INTERVALS, "single")
    assert {phase: occupancy.seconds_between(phase, 0.0, 10.0) for phase in PHASES} == {
        "prefill": 1.0,
        "mixed": 1.0,
        "decode": 5.0,
        "transfer": 0.0,
        "queue": 0.0,
        "idle": 3.0,
    }


def test_occupancy_of_a_window_counts_its_part_only() -> None:
    occupancy = role_occupancy(INTERVALS, "single")
    assert occupancy.seconds_between("decode", 3.0, 4.5) == 1.0
    assert occupancy.seconds_between("mixed", 3.0, 4.5) == 0.5


def test_the_phases_of_any_window_add_up_to_it() -> None:
    occupancy = role_occupancy(INTERVALS, "single")
    for begin_s, end_s in ((-3.0, 20.0), (1.5, 1.7), (7.9, 8.3)):
        total_s = sum(occupancy.seconds_between(phase, begin_s, end_s) for phase in PHASES)
        assert abs(total_s - (end_s - begin_s)) < 1e-12


def test_roles_do_not_see_each_other_but_a_host_sees_all() -> None:
    intervals = (
        PhaseInterval(0, "prefill", "prefill", 0.0, 1.0, False),
        PhaseInterval(0, "transfer", "decode", 1.0, 1.5, True),
        PhaseInterval(0, "decode", "decode", 1.5, 3.0, False),
        PhaseInterval(1, "prefill", "prefill", 2.0, 3.0, False),
    )
    decode = role_occupancy(intervals, "decode")
    assert decode.seconds_between("prefill", 0.0, 4.0) == 0.0
    assert decode.seconds_between("transfer", 0.0, 4.0) == 0.5
    assert decode.seconds_between("idle", 0.0, 4.0) == 2.0
    assert role_occupancy(intervals, "host").seconds_between("mixed", 0.0, 4.0) == 1.0


def test_a_role_without_requests_is_idle() -> None:
    occupancy = role_occupancy((), "decode")
    assert occupancy.seconds_between("idle", 2.0, 5.0) == 3.0
    assert occupancy.weight_at(Level("idle"), np.array([1.0])).all()


def test_the_phase_at_an_instant() -> None:
    occupancy = role_occupancy(INTERVALS, "single")
    at_s = np.array([0.5, 1.5, 3.0, 4.5, 7.0, 9.0])
    names: list[Phase] = ["idle", "prefill", "decode", "mixed", "decode", "idle"]
    assert all(occupancy.weight_at(Level(name), at_s)[i] for i, name in enumerate(names))
