"""Writes into a panel why there is no data to draw."""

from collections.abc import Iterable
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes

from llmdvfs.records.compared import Metric
from llmdvfs.records.comparison import DeploymentSummary

NO_POWER_DATA = "no power data on this machine"
NOT_APPLIED = "operating point not applied"
NULL_ENERGY = "null in every launch: the counter does not tell it"
NOTE_LOOK: dict[str, Any] = {"ha": "center", "va": "center", "color": "0.35", "style": "italic"}


def why_absent(metric: Metric, deployments: Iterable[DeploymentSummary]) -> str:
    """Return why a panel has no mean of the metric: not measured, not told, or no launch ran at the point."""
    shown = list(deployments)
    if shown and all(deployment.was_never_applied for deployment in shown):
        return NOT_APPLIED
    if not metric.of_energy:
        return "not measured"
    return NULL_ENERGY if any(deployment.metrics["mean_power_w"].n for deployment in shown) else NO_POWER_DATA


def draw_note(axes: Axes, text: str, width: int = 60) -> None:
    """Turn the panel into a sentence, since an empty frame could be taken for a zero."""
    axes.set_yticks([])
    axes.tick_params(axis="x", bottom=False, labelbottom=False)  # the ticks themselves may be shared with other panels
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.patch.set_facecolor("0.96")
    words = fill(text, width)
    axes.text(0.5, 0.5, words, transform=axes.transAxes, **NOTE_LOOK)
