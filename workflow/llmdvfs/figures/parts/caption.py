"""Captions: what every figure says below itself so that it can stand alone (marks, n, statistic, interval)."""

from collections.abc import Iterable
from textwrap import fill

from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN
from llmdvfs.records.comparison import DeploymentSummary
from llmdvfs.records.counted import counted

CHARACTERS = 125  # of a line across the double column
INTERVALS = "95 % intervals (moderated t, of the logs where all values are above 0); an arrow: the interval goes on"


def caption_lines(text: str, width_in: float = DOUBLE_COLUMN_IN) -> str:
    """Return the text broken into lines that fit a figure of this width [inch]."""
    return fill(text, int(CHARACTERS * width_in / DOUBLE_COLUMN_IN))


def starts_text(deployments: Iterable[DeploymentSummary]) -> str:
    """Return e.g. `n = 3 server starts`, or the range of n where deployments differ."""
    return n_text(deployment.metrics["failed_fraction"].n for deployment in deployments)


def n_text(counts: Iterable[int]) -> str:
    """Return how many server starts are behind what is shown, e.g. `n = 2 to 3 server starts`.

    counts: n of each thing that is shown; one without a start is in no mean, and does not widen the range.
    """
    known = sorted({n for n in counts if n}) or [0]
    return f"n = {f'{known[0]} to ' if len(known) > 1 else ''}{counted(known[-1], 'server start')}"
