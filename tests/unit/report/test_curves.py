import numpy as np
import pandas as pd
import pytest
from fakes.records import Toy, fake_cell
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.report import curves
from llmdvfs.report.cells import ReportedCell
from llmdvfs.report.curves import thinned, timelines

MIB = 2**20


def test_a_short_curve_is_left_as_it_is() -> None:
    t_s, values = thinned(np.array([0.0, 1.0, 2.0]), np.array([5.0, 7.0, 6.0]), 4)
    assert (list(t_s), list(values)) == ([0, 1, 2], [5, 7, 6])


def test_a_spike_of_one_reading_stays() -> None:
    """Every tenth reading of a curve would lose the one that a power limit is about."""
    values = np.full(1000, 100.0)
    values[537], values[538] = 700.0, 20.0
    t_s, kept = thinned(np.arange(1000.0), values, 20)
    assert len(kept) <= 20
    assert {537.0, 538.0} <= set(t_s)
    assert (t_s[0], t_s[-1]) == (0.0, 999.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(4, 50))
def test_extremes_and_order_are_kept(values: list[float], points: int) -> None:
    t_s, kept = thinned(np.arange(len(values), dtype=float), np.array(values), points)
    assert len(kept) <= max(points, 4)
    assert (kept.min(), kept.max()) == (min(values), max(values))
    assert all(np.diff(t_s) > 0)


def test_power_is_shown_where_it_was_read_and_the_cpu_where_not() -> None:
    def panels(gpu: bool) -> set[str]:
        made = fake_cell(Toy(gpu=gpu, duration_s=1.0))
        [own] = timelines([ReportedCell(made.result, made.run, made.timeline)])
        return {curve.panel for curve in own.curves}

    assert panels(gpu=True) == {"power_w", "clock_mhz", "utilisation_percent", "requests"}
    assert panels(gpu=False) == {"clock_mhz", "utilisation_percent", "requests"}


def test_requests_in_a_phase_are_those_of_the_devices_that_do_it() -> None:
    """On a host of several GPUs the line fell to 0 at the readings of all others: a comb, where 2 requests decoded."""
    made = fake_cell(Toy(gpu=True, duration_s=1.0))
    rows = [  # read in turn: of the prefill GPU, of the decode GPU, of one that serves nobody
        (0.00, "gpu0", "prefill", 1, 0, 0),
        (0.01, "gpu1", "decode", 0, 0, 2),
        (0.02, "gpu2", None, 0, 0, 0),
        (0.10, "gpu0", "prefill", 1, 0, 0),
        (0.11, "gpu1", "decode", 0, 0, 2),
        (0.12, "gpu2", None, 0, 0, 0),
    ]
    columns = ["t_s", "device_id", "role", *curves.COUNTS.values()]
    [own] = timelines([ReportedCell(made.result, made.run, pd.DataFrame(rows, columns=columns))])
    drawn = {curve.name: (curve.t_s, curve.values) for curve in own.curves if curve.panel == "requests"}
    assert drawn == {"prefill": ([0.0, 0.1], [1.0, 1.0]), "decode": ([0.01, 0.11], [2.0, 2.0])}


@pytest.mark.parametrize("num_cells", [2, 100])
def test_a_page_of_many_cells_of_eight_gpus_stays_small(num_cells: int) -> None:
    """3 quantities of 8 GPUs, read ten times a second for a minute; 100 cells would be 2.9 million numbers."""
    made = fake_cell(Toy(gpu=True, duration_s=1.0))
    t_s = np.arange(0.0, 60.0, 0.1)
    frames = [
        pd.DataFrame(
            {"t_s": t_s, "device_id": f"gpu{gpu}", "role": "single", "power_instant_w": 500 + 100 * np.sin(t_s)}
        )
        for gpu in range(8)
    ]
    timeline = pd.concat(frames).assign(sm_clock_mhz=1980.0, gpu_utilisation_fraction=0.97)
    drawn = timelines([ReportedCell(made.result, made.run, timeline)] * num_cells)
    points = sum(len(curve.t_s) for own in drawn for curve in own.curves)
    assert points <= curves.MAX_POINTS_A_PAGE
    assert min(len(curve.t_s) for own in drawn for curve in own.curves) >= curves.MIN_POINTS_A_CURVE
