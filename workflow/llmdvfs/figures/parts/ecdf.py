"""Draws a latency distribution: the share of requests (or gaps) at or below each value, with its percentiles."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from llmdvfs.figures.parts.limits import log_scale
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import BLACK, INVALID, Look
from llmdvfs.figures.parts.thinning import thinned_shares
from llmdvfs.records.result import Distribution

PERCENTILES = {"p50": (0.50, "o", "●"), "p90": (0.90, "^", "▲"), "p99": (0.99, "D", "◆")}
MIN_LOG_SPAN = 20.0  # max / min above which a linear axis would squeeze most of the values into a corner

Floats = npt.NDArray[np.float64]


def draw_ecdf(axes: Axes, samples_s: Sequence[Floats], look: Look, valid: Sequence[bool], absent: str) -> None:
    """Draw one curve a launch in milliseconds, grey where a gate failed; without samples, the text `absent`."""
    drawn = [(1e3 * np.sort(sample), ok) for sample, ok in zip(samples_s, valid, strict=True) if len(sample)]
    if not drawn:
        draw_note(axes, absent, width=24)
        return
    for sample_ms, ok in drawn:
        kept_ms, share = thinned_shares(sample_ms)
        colour = look.colour if ok else INVALID
        axes.step(np.concatenate([kept_ms[:1], kept_ms]), np.concatenate([[0.0], share]), where="post", color=colour)
    _choose_scale(axes, np.concatenate([sample for sample, _ in drawn]))
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 0.9, 1.0])


def mark_percentiles(axes: Axes, distribution: Distribution) -> None:
    """Mark the percentiles of one launch."""
    for name, (share, marker, _) in PERCENTILES.items():
        value_s = getattr(distribution, name)
        if value_s is not None:
            axes.plot(1e3 * value_s, share, marker, color=BLACK, zorder=3)


def percentiles_text(distribution: Distribution) -> str:
    """Return the percentiles in words, each after the sign that marks it.

    They stand outside of the panel, since any place inside may hold data.
    """
    return "  ".join(
        f"{sign} {name} {_short(1e3 * value_s)}"
        for name, (_, _, sign) in PERCENTILES.items()
        if (value_s := getattr(distribution, name)) is not None
    )


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _choose_scale(axes: Axes, sample_ms: Floats) -> None:
    low, high = sample_ms.min(), sample_ms.max()
    if low > 0 and high / low > MIN_LOG_SPAN:
        log_scale(axes, "x", high / low)
