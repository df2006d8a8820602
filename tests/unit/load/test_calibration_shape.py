"""The shape of a load at which the client is calibrated, and which loads a calibration speaks for."""

import pytest
from fakes.requests import seen

from llmdvfs.load.own_error.shape import calibration_shape, serves, shared_shape
from llmdvfs.records.load import CalibrationResult, CalibrationShape

PREFILL = CalibrationShape(num_streams=1, ttft_s=0.01, gap_s=0.05, num_output_tokens=1)
DECODE = CalibrationShape(num_streams=1, ttft_s=0.005, gap_s=0.002, num_output_tokens=64)
CONCURRENT = CalibrationShape(num_streams=4, ttft_s=0.02, gap_s=0.005, num_output_tokens=64)


def result(shape: CalibrationShape, ttft_error_s: float = 0.1, gap_p99_error_s: float = 0.1) -> CalibrationResult:
    """A calibration whose errors matter to any load, unless told otherwise."""
    gap_error_s = None if shape.num_output_tokens == 1 else gap_p99_error_s
    return CalibrationResult(shape, 4, 8, 100.0, ttft_error_s, gap_error_s, gap_error_s, 1e-6, 1e-5, 1e-5, 0.01)


def test_shape_of_a_load_is_rounded_to_the_harder_side() -> None:
    """Three streams at once, TTFT 52 ms, gaps of 12.5 ms."""
    tokens = [52.0, 64.5, 77.0]
    requests = [seen(i, 0.1 * i, [token + 0.1 * i for token in tokens], 80.0) for i in range(3)]
    assert calibration_shape(requests) == CalibrationShape(num_streams=4, ttft_s=0.05, gap_s=0.01, num_output_tokens=60)


def test_shape_of_a_prefill_load_has_one_token() -> None:
    shape = calibration_shape([seen(0, 0.0, [30.0], 31.0)])
    assert shape is not None
    assert (shape.num_streams, shape.ttft_s, shape.num_output_tokens) == (1, 0.02, 1)


def test_slow_and_fast_loads_stay_within_what_the_mock_can_do() -> None:
    slow = calibration_shape([seen(0, 0.0, [30_000.0, 60_000.0], 60_001.0)])
    fast = calibration_shape([seen(0, 0.0, [0.2, 0.3, 0.4], 0.5)])
    assert slow is not None
    assert fast is not None
    assert (slow.ttft_s, slow.gap_s, slow.num_output_tokens) == (0.5, 0.05, 12)
    assert (fast.ttft_s, fast.gap_s, fast.num_output_tokens) == (0.005, 0.001, 64)


def test_no_success_no_shape() -> None:
    assert calibration_shape([]) is None


@pytest.mark.parametrize(
    ("known", "served"),
    [
        (CalibrationShape(4, 0.05, 0.02, 30), True),
        (CalibrationShape(4, 0.02, 0.01, 60), True),  # a step harder in both
        (CalibrationShape(4, 0.05, 0.05, 12), False),  # easier: its error says too little
        (CalibrationShape(4, 0.05, 0.005, 64), False),  # two steps harder: its error says too much
        (CalibrationShape(4, 0.5, 0.01, 60), True),  # tokens make the rate: how long the first took is nothing to it
        (CalibrationShape(4, 0.5, 0.02, 30), False),  # as fast once it runs, but it waits: 119 tokens a second, not 203
        (CalibrationShape(8, 0.05, 0.02, 30), True),  # a step more streams
        (CalibrationShape(16, 0.05, 0.02, 30), False),
        (CalibrationShape(2, 0.05, 0.02, 30), False),
        (CalibrationShape(4, 0.05, 0.02, 1), False),
    ],
)
def test_whatever_its_errors_a_calibration_serves_the_shapes_beside_its_own(
    known: CalibrationShape, served: bool
) -> None:
    """18 cells had 13 shapes: the same cell another one from launch to launch."""
    asked = CalibrationShape(num_streams=4, ttft_s=0.05, gap_s=0.02, num_output_tokens=30)
    assert serves(result(known), asked) is served


@pytest.mark.parametrize(("ttft_s", "served"), [(0.05, True), (0.02, True), (0.01, False), (0.1, False)])
def test_first_tokens_alone_are_served_by_their_rate(ttft_s: float, served: bool) -> None:
    """Of a load of prompts alone the wait for the token is the only gap there is."""
    known = result(CalibrationShape(4, ttft_s, 0.05, 1))
    assert serves(known, CalibrationShape(4, 0.05, 0.05, 1)) is served


def test_one_calibration_serves_the_loads_of_the_default_study() -> None:
    """Three took 12 s of a study of 258. As hard as each: four streams, 2 ms, first tokens after 5 ms."""
    shared = shared_shape([PREFILL, DECODE, CONCURRENT])
    assert shared == CalibrationShape(num_streams=4, ttft_s=0.005, gap_s=0.002, num_output_tokens=64)
    known = result(shared, ttft_error_s=0.0002, gap_p99_error_s=-0.00009)  # 5 % of 5 and 2 ms: 0.25 and 0.1 ms
    assert [serves(known, shape) for shape in (PREFILL, DECODE, CONCURRENT)] == [True, True, True]


def test_an_error_that_matters_to_a_load_is_no_verdict_on_it() -> None:
    """Errors of 0.4 and 0.2 ms at the shared load: 5 % of 20 and of 5 ms are 1 and 0.25 ms, of 5 and of 2 ms less."""
    shared = CalibrationShape(num_streams=4, ttft_s=0.005, gap_s=0.001, num_output_tokens=64)
    known = result(shared, ttft_error_s=0.0004, gap_p99_error_s=0.0002)
    assert serves(known, CONCURRENT)
    assert serves(known, PREFILL)  # 5 % of 10 ms
    assert not serves(result(shared, 0.0006, 0.0), PREFILL)
    assert not serves(result(shared, 0.0, 0.0004), CONCURRENT)
    assert not serves(result(CalibrationShape(4, 0.005, 0.0005, 64), 0.0004, 0.0), DECODE)


def test_many_prompts_a_second_are_not_served_by_few_tokens() -> None:
    """64 prompts in 10 ms are 3 x 6,400 tokens a second of work; 64 streams of 50 ms are 1,280 and a few requests."""
    tokens, prompts = CalibrationShape(64, 0.01, 0.05, 12), CalibrationShape(64, 0.01, 0.05, 1)
    assert not serves(result(tokens, 0.0, 0.0), prompts)
    assert not serves(result(prompts, 0.0), tokens)


def test_no_client_is_asked_for_more_than_it_can() -> None:
    """256 slow streams and one fast one share no shape: 256,000 tokens a second would be the mock's limit."""
    slow, fast = CalibrationShape(256, 0.05, 0.02, 30), CalibrationShape(1, 0.05, 0.001, 64)
    assert shared_shape([slow, fast]) is None
