"""The shape of a load at which a client is calibrated, and which loads a calibration speaks for."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.load import CalibrationResult, CalibrationShape
from llmdvfs.records.request import RequestRecord

STEPS = (1.0, 2.0, 5.0)  # a decade of the values that a shape may have: few shapes, few calibrations
WIDEST_STEP = 2.5
MIN_GAP_S, MAX_GAP_S = 0.001, 0.05  # a slower stream is no harder to read
MIN_TTFT_S, MAX_TTFT_S = 0.005, 0.5
MAX_STREAM_S = 0.6  # the longest that the mock decodes one request
MAX_TOKENS = 64
REQUEST_IN_TOKENS = 3  # the CPU time of a request of one token (26 us) over that of a token (10 us): docs/client.md
SMALL_ERROR_FRACTION = 0.05  # half of what the gate `client_error` allows by default
AS_MUCH_WORK = 0.8  # of another load's tokens a second: TTFTs beside each other in their steps change it by less
MAX_SHARED_TOKENS_PER_S = 10_000  # up to there the client's errors do not grow (docs/client.md)


def calibration_shape(requests: Sequence[RequestRecord]) -> CalibrationShape | None:
    """Return the shape of a cell's load, rounded to the harder side; None where no request of it succeeded."""
    ok = [r for r in requests if r.ok and r.sent_mono_ns is not None and r.end_mono_ns is not None]
    if not ok:
        return None
    gaps_s = np.concatenate([np.diff(np.asarray(r.chunk_mono_ns, dtype=np.int64)) for r in ok]) / NS_PER_S
    ttft_s = float(np.median([(r.chunk_mono_ns[0] - (r.sent_mono_ns or 0)) / NS_PER_S for r in ok]))
    gap_s = _stepped(float(np.median(gaps_s)), MIN_GAP_S, MAX_GAP_S) if gaps_s.size else MAX_GAP_S
    num_tokens = max(1, min(MAX_TOKENS, round(MAX_STREAM_S / gap_s))) if gaps_s.size else 1
    num_streams = 1 << (_peak_in_flight(ok) - 1).bit_length()
    return CalibrationShape(num_streams, _stepped(ttft_s, MIN_TTFT_S, MAX_TTFT_S), gap_s, num_tokens)


def shared_shape(shapes: Collection[CalibrationShape]) -> CalibrationShape | None:
    """Return a shape with the most streams of some, the shortest gap and wait; None: too hard to say much of each."""
    fastest = min(shapes, key=lambda shape: (shape.gap_s, -shape.num_output_tokens))
    num_streams, ttft_s = max(shape.num_streams for shape in shapes), min(shape.ttft_s for shape in shapes)
    if num_streams / fastest.gap_s > MAX_SHARED_TOKENS_PER_S:
        return None
    return replace(fastest, num_streams=num_streams, ttft_s=ttft_s)


def serves(known: CalibrationResult, asked: CalibrationShape) -> bool:
    """Return whether the client's error at a known shape may stand for that at another, as an upper bound.

    It is of a load as hard, and either one step harder at most, or so small that it does not matter to the load that it
    stands for. An error that matters is no verdict on an easier load: that gets a calibration of its own.
    """
    return _is_as_hard(known.shape, asked) and (_is_beside(known.shape, asked) or _is_small(known, asked))


def _is_as_hard(known: CalibrationShape, asked: CalibrationShape) -> bool:
    """Return whether a load has as many streams, as frequent tokens in each, and as much to do in a second.

    Long waits for first tokens leave little to do, however short the gaps.
    """
    if known.num_streams < asked.num_streams:
        return False
    if asked.num_output_tokens == 1:
        return _work_per_s(known) >= _work_per_s(asked) * (1 - 1e-9)
    is_as_frequent = known.num_output_tokens > 1 and known.gap_s <= asked.gap_s
    return is_as_frequent and _work_per_s(known) >= AS_MUCH_WORK * _work_per_s(asked)


def _is_beside(known: CalibrationShape, asked: CalibrationShape) -> bool:
    """Return whether a harder load is so by one step at most, of streams and of the rate of each, one by one.

    The same cell has neighbouring shapes from launch to launch, where what was measured lies at an edge between them.
    """
    is_of_firsts = asked.num_output_tokens == 1
    known_s, asked_s = (known.ttft_s, asked.ttft_s) if is_of_firsts else (known.gap_s, asked.gap_s)
    return (
        (known.num_output_tokens == 1) == is_of_firsts
        and known.num_streams <= 2 * asked.num_streams
        and known_s <= asked_s <= known_s * WIDEST_STEP * (1 + 1e-9)
    )


def _is_small(known: CalibrationResult, asked: CalibrationShape) -> bool:
    """Return whether errors are small beside the TTFT and the gaps of a load; its shape has those rounded down."""
    gap_error_s = known.gap_p99_error_s or 0.0  # None only where neither has gaps
    return abs(known.ttft_error_s) <= SMALL_ERROR_FRACTION * asked.ttft_s and (
        asked.num_output_tokens == 1 or abs(gap_error_s) <= SMALL_ERROR_FRACTION * asked.gap_s
    )


def _work_per_s(shape: CalibrationShape) -> float:
    """Return what a load asks of the client, in tokens a second."""
    tokens = REQUEST_IN_TOKENS + shape.num_output_tokens - 1
    return shape.num_streams * tokens / (shape.ttft_s + (shape.num_output_tokens - 1) * shape.gap_s)


def _stepped(value: float, low: float, high: float) -> float:
    """Return the largest value of the series 1, 2, 5, 10, 20 ... that is not above, within the limits."""
    decade = 10.0 ** np.floor(np.log10(max(value, low)))
    below = [step * decade for step in STEPS if step * decade <= value * (1 + 1e-9)]
    return float(f"{min(max(below[-1] if below else low, low), high):.3g}")


def _peak_in_flight(requests: Sequence[RequestRecord]) -> int:
    changes = sorted([(r.sent_mono_ns, 1) for r in requests] + [(r.end_mono_ns, -1) for r in requests])
    return int(np.cumsum([change for _, change in changes]).max())
