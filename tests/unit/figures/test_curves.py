import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.figures.parts.curves import energy_curve, power_curve, quantity_curve, summed


def readings(t_s: list[float], device: str = "gpu0", **columns: list[float | None]) -> pd.DataFrame:
    return pd.DataFrame({"t_s": t_s, "device_id": device, **columns})


def test_energy_is_cumulative() -> None:
    """The original's 'accumulated energy' was each sample's power times a constant: it went up and down."""
    curve = energy_curve(readings([0.0, 1.0, 3.0], power_instant_w=[100.0, 100.0, 50.0]), "gpu0")
    assert curve is not None
    # 1 s at 100 W, then 2 s falling from 100 to 50 W
    np.testing.assert_allclose(curve[1], [0.0, 100.0, 250.0])


def test_the_counter_is_preferred_to_integrated_power() -> None:
    frame = readings([0.0, 1.0], power_instant_w=[100.0, 100.0], energy_j=[5000.0, 5090.0])
    curve = energy_curve(frame, "gpu0")
    assert curve is not None
    np.testing.assert_allclose(curve[1], [0.0, 90.0])


def test_a_counter_that_starts_anew_does_not_take_energy_back() -> None:
    curve = energy_curve(readings([0.0, 1.0, 2.0, 3.0], energy_j=[900.0, 950.0, 10.0, 40.0]), "gpu0")
    assert curve is not None
    np.testing.assert_allclose(curve[1], [0.0, 50.0, 50.0, 80.0])


@given(st.lists(st.floats(min_value=0, max_value=1000), min_size=2, max_size=30))
def test_energy_never_falls(power_w: list[float]) -> None:
    curve = energy_curve(readings([float(i) for i in range(len(power_w))], power_instant_w=list(power_w)), "gpu0")
    assert curve is not None
    assert (np.diff(curve[1]) >= 0).all()


def test_gpus_are_summed_and_not_averaged() -> None:
    """The original averaged its two GPUs: 600 W and 200 W came out as 400 W."""
    t_s, total_w = summed(
        [
            (np.array([0.0, 2.0, 4.0]), np.array([600.0, 600.0, 600.0])),
            (np.array([1.0, 3.0]), np.array([200.0, 100.0])),
        ]
    )
    np.testing.assert_allclose(t_s, [1.0, 2.0, 3.0])  # what both devices cover
    np.testing.assert_allclose(total_w, [800.0, 750.0, 700.0])


def test_power_without_a_power_sensor_is_the_counters_slope() -> None:
    """RAPL has a counter only; between two of its updates nothing is known."""
    frame = readings([0.0, 1.0, 2.0, 4.0], device="rapl-package-0", energy_j=[0.0, 0.0, 20.0, 60.0])
    curve = power_curve(frame, "rapl-package-0")
    assert curve is not None
    np.testing.assert_allclose(curve[0], [1.0, 3.0])
    np.testing.assert_allclose(curve[1], [10.0, 20.0])


def test_a_failed_reading_is_left_out_and_not_zero() -> None:
    curve = quantity_curve(readings([0.0, 1.0, 2.0], power_instant_w=[300.0, None, 310.0]), "gpu0", "power_instant_w")
    assert curve is not None
    np.testing.assert_allclose(curve[1], [300.0, 310.0])


@pytest.mark.parametrize("frame", [readings([0.0, 1.0]), readings([0.0], power_instant_w=[5.0])])
def test_nothing_read_is_no_curve(frame: pd.DataFrame) -> None:
    assert power_curve(frame, "gpu0") is None
    assert energy_curve(frame, "gpu0") is None
