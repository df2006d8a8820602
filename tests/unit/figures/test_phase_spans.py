from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.figures.parts.phase_spans import num_in_phases, phase_spans
from llmdvfs.records.phases import PhaseInterval
from llmdvfs.records.spec import Phase


def interval(phase: Phase, begin_s: float, end_s: float) -> PhaseInterval:
    return PhaseInterval(0, phase, "single", begin_s, end_s, is_bound=False)


def test_hand_made_timeline() -> None:
    """The original tagged every sample idle; here every instant of these requests has its phase."""
    spans = phase_spans(
        [
            interval("prefill", 1.0, 2.0),
            interval("transfer", 2.0, 2.5),
            interval("decode", 2.5, 6.0),
            interval("prefill", 4.0, 5.0),
        ]
    )
    assert spans == {
        "prefill": [(1.0, 2.0)],
        "transfer": [(2.0, 2.5)],
        "decode": [(2.5, 4.0), (5.0, 6.0)],
        "mixed": [(4.0, 5.0)],
    }


def test_a_transfer_beside_decode_is_decode() -> None:
    assert phase_spans([interval("decode", 0.0, 3.0), interval("transfer", 1.0, 2.0)]) == {"decode": [(0.0, 3.0)]}


def test_two_requests_in_one_phase_are_one_span() -> None:
    assert phase_spans([interval("decode", 0.0, 2.0), interval("decode", 1.0, 3.0)]) == {"decode": [(0.0, 3.0)]}


def test_no_request_is_no_phase() -> None:
    assert phase_spans([]) == {}


def test_requests_are_counted_from_their_exact_instants() -> None:
    t_s, counts = num_in_phases(
        [interval("prefill", 1.0, 2.0), interval("decode", 2.0, 4.0), interval("decode", 3.0, 5.0)]
    )
    np.testing.assert_array_equal(t_s, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(counts["prefill"], [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(counts["decode"], [0, 1, 2, 1, 0])
    np.testing.assert_array_equal(counts["transfer"], [0, 0, 0, 0, 0])


times = st.floats(min_value=0, max_value=100)
intervals = st.lists(
    st.builds(
        lambda phase, begin, length: interval(phase, begin, begin + length),
        st.sampled_from(["prefill", "decode", "transfer"]),
        times,
        st.floats(min_value=0.001, max_value=10),
    ),
    min_size=1,
    max_size=20,
)


@given(intervals)
def test_spans_cover_what_the_intervals_cover_once(own: list[PhaseInterval]) -> None:
    spans = sorted(span for spans in phase_spans(own).values() for span in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    covered, end_s = 0.0, 0.0
    for begin, end in sorted((i.begin_s, i.end_s) for i in own):
        covered += max(end - max(begin, end_s), 0.0)
        end_s = max(end_s, end)
    assert sum(end - begin for begin, end in spans) == pytest.approx(covered)
