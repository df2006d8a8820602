"""The driver's power samples beside the counter: exact windows of 25 ms over a power that is known at every instant."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.occupancy import Occupancy
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.fine_split import SampledDevice, fine_split
from llmdvfs.analysis.sensors import Series
from llmdvfs.records.result import FineSplit
from llmdvfs.records.spec import Phase

WINDOW_S = (0.0, 20.0)


def split(
    prefill_s: float = 0.06,
    *,
    rest_s: float = 0.34,
    period_s: float = 0.02,
    gain: float = 1.0,
    late_s: float = 0.0,
    early_w: float = 0.0,
) -> FineSplit | None:
    """Prefill at 600 W and idle at 100 W in turn, with a little irregularity; samples of the 25 ms before each stamp.

    early_w: drawn beyond 600 W in the first 0.1 s of a prefill. late_s: by which the samples trail.
    """
    rng = np.random.default_rng(1)
    lengths_s = np.array([prefill_s, rest_s]) * rng.uniform(0.9, 1.1, (round(22 / (prefill_s + rest_s)), 2))
    edge_s = np.concatenate(([0.0], np.cumsum(lengths_s.ravel())))
    cut_s = np.unique(np.concatenate([edge_s, np.minimum(edge_s[:-1:2] + 0.1, edge_s[1::2])]))
    piece = np.searchsorted(edge_s, (cut_s[:-1] + cut_s[1:]) / 2) - 1
    prefills = piece % 2 == 0
    early = prefills & ((cut_s[:-1] + cut_s[1:]) / 2 - edge_s[piece] < 0.1)
    phases: tuple[Phase, ...] = tuple("prefill" if is_prefill else "idle" for is_prefill in prefills)
    energy_j = np.concatenate(([0.0], np.cumsum(np.diff(cut_s) * np.where(prefills, 600.0 + early_w * early, 100.0))))
    stamp_s = np.arange(0.1, 20.0, period_s)
    mean_w = (
        np.interp(stamp_s - late_s, cut_s, energy_j) - np.interp(stamp_s - late_s - 0.025, cut_s, energy_j)
    ) / 0.025
    counter = EnergyCurve("counter", cut_s, energy_j, cut_s, np.empty(0), needs_every_poll=False)
    occupancy = Occupancy(cut_s, phases, np.zeros(len(phases)), early)
    return fine_split("prefill", [SampledDevice(Series(stamp_s, gain * mean_w), counter)], occupancy, WINDOW_S, 1)


def powers(found: FineSplit | None) -> dict[str, float | None]:
    assert found is not None
    return {phase.phase: phase.power_w.value for phase in found.phases}


@pytest.mark.parametrize("prefill_s", [0.03, 0.06, 0.2])
def test_phases_of_20_to_200_ms_have_their_powers(prefill_s: float) -> None:
    """A counter of 100 ms sees no prefill of 30 or 60 ms alone."""
    assert powers(split(prefill_s)) == pytest.approx({"prefill": 600.0, "idle": 100.0}, rel=0.005)


def test_a_gain_of_the_samples_is_told_and_no_difference_of_phases() -> None:
    """Samples that read 3 % low: the integral is 3 % below the counter, and the powers are the counter's."""
    found = split(gain=0.97)
    assert found is not None
    assert found.counter_difference_fraction == pytest.approx(-0.03, abs=0.003)
    assert powers(found) == pytest.approx({"prefill": 600.0, "idle": 100.0}, rel=0.01)


def test_what_no_sample_saw_is_told() -> None:
    """Samples 50 ms apart that see 25 ms each are blind half of the time; 20 ms apart they overlap, and see all."""
    half, everything = split(period_s=0.05), split()
    assert half is not None
    assert everything is not None
    assert (half.blind_fraction, everything.blind_fraction) == (pytest.approx(0.5), pytest.approx(0.0))
    assert (half.gap_s, everything.gap_s) == (pytest.approx(0.05), pytest.approx(0.02))


def test_a_load_in_step_with_the_sampling_shows_as_aliasing() -> None:
    """A prefill every 0.1 s and a sample every 0.05 s: what a stretch sees depends on where the samples fall."""
    still, beating = split(0.2, rest_s=0.8), split(0.02, rest_s=0.08, period_s=0.05)
    assert still is not None
    assert beating is not None
    assert still.aliasing_fraction is not None
    assert beating.aliasing_fraction is not None
    assert still.aliasing_fraction < 0.02 < beating.aliasing_fraction


def test_edges_are_placed_by_the_samples() -> None:
    """Stamps that trail what they saw by 14 ms."""
    found = split(late_s=0.014)
    assert found is not None
    assert found.lag_s == pytest.approx(0.014, abs=0.001)


def test_a_start_up_transient_is_seen() -> None:
    """90 W beyond 600 W in the first 0.1 s of prefills of 0.2 s: 15 %."""
    found, plain = split(0.2, early_w=90.0), split(0.2)
    assert found is not None
    assert plain is not None
    assert found.transient_fraction == pytest.approx(0.15, abs=0.005)
    assert plain.transient_fraction == pytest.approx(0.0, abs=0.005)


def test_a_phase_that_the_samples_hardly_saw_is_null() -> None:
    """Some 58 prefills of 3 ms are 0.2 s in all, each sample seeing them as 25 ms: less than a dozen samples."""
    found = split(0.003)
    assert found is not None
    assert found.phases[0].power_w.value is None
    assert "at least 0.3 s needed" in (found.phases[0].power_w.reason or "")


def test_too_few_samples_say_nothing() -> None:
    """40 of them."""
    assert split(period_s=0.5) is None
