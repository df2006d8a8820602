"""Which phase a set of devices was in, and when: by exact intervals of the requests, not by sampling."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path

from llmdvfs.figures.parts.style import PHASES
from llmdvfs.records.phases import PhaseInterval, phase_of

Floats = npt.NDArray[np.float64]
Span = tuple[float, float]

SHADE_ALPHA = 0.3


def phase_spans(intervals: Iterable[PhaseInterval]) -> dict[str, list[Span]]:
    """Return disjoint spans (begin, end) [s] by phase, idle left out.

    `mixed` is prefill and decode at once; a transfer beside either of them does not change what is computed.
    """
    edges = sorted(
        (t_s, change, interval.phase)
        for interval in intervals
        for t_s, change in ((interval.begin_s, 1), (interval.end_s, -1))
    )
    active: dict[str, int] = defaultdict(int)
    spans: dict[str, list[Span]] = defaultdict(list)
    before_s = 0.0
    for t_s, change, phase in edges:
        both = active["mixed"]
        now = phase_of(active["prefill"] + both, active["transfer"], active["decode"] + both)
        if now != "idle" and t_s > before_s:
            _append(spans[now], (before_s, t_s))
        active[phase] += change
        before_s = t_s
    return dict(spans)


def num_in_phases(intervals: Sequence[PhaseInterval]) -> tuple[Floats, dict[str, Floats]]:
    """Return the instants [s] at which any count changes, and how many requests are in each phase from then on."""
    t_s = np.unique([t for interval in intervals for t in (interval.begin_s, interval.end_s)])
    counts = {}
    for phase in PHASES:
        begins, ends = (
            np.sort([getattr(interval, edge) for interval in intervals if interval.phase == phase])
            for edge in ("begin_s", "end_s")
        )
        counts[phase] = (np.searchsorted(begins, t_s, "right") - np.searchsorted(ends, t_s, "right")).astype(float)
    return t_s, counts


def draw_spans(
    axes: Axes, spans: dict[str, list[Span]], low: float = 0.0, height: float = 1.0, alpha: float = 1.0
) -> None:
    """Fill the spans in their phases' colours between low and low + height of the axes (0..1)."""
    for phase, own in spans.items():
        bars = PathCollection(
            [_bars(np.array(own), low, height)],
            transform=axes.get_xaxis_transform(),
            alpha=alpha,
            linewidth=0,
            rasterized=True,  # a run has thousands of them
            zorder=0.5,
            **phase_fill(phase),
        )
        axes.add_collection(bars, autolim=False)
        axes.update_datalim([(own[0][0], 0), (own[-1][1], 0)], updatey=False)
    axes.autoscale_view(scaley=False)


def _bars(spans: Floats, low: float, height: float) -> Path:
    """Return all bars as one path, which is hatched once: to hatch 20,000 bars one by one takes two minutes."""
    bottom, top = np.full(len(spans), low), np.full(len(spans), low + height)
    begin, end = spans.T
    corners = ((begin, bottom), (end, bottom), (end, top), (begin, top), (begin, bottom))
    vertices = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1).reshape(-1, 2)
    one = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(vertices, np.tile(np.array(one, dtype=Path.code_type), len(spans)))


def phase_fill(phase: str) -> dict[str, Any]:
    """Return how an area of a phase is filled; mixed is prefill hatched with decode, which grey print shows too."""
    if phase == "mixed":
        return {"facecolor": PHASES["prefill"].colour, "hatch": "//////", "edgecolor": PHASES["decode"].colour}
    return {"facecolor": PHASES[phase].colour, "edgecolor": "none"}


def _append(spans: list[Span], span: Span) -> None:
    """Add a span, in one piece with the one that it continues."""
    if spans and spans[-1][1] == span[0]:
        spans[-1] = (spans[-1][0], span[1])
    else:
        spans.append(span)
