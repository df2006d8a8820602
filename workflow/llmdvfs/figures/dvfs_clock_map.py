"""Energy and requests within the limits over prefill's and decode's clock: a row of two panels a load."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from llmdvfs.figures.parts.answer_rows import answer_rows
from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.clock_series import energy_scale, ink_on, is_chosen, settings
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import VERMILLION, styled
from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord

ROW_HEIGHT_IN = 3.0
COLOURS = "cividis"
LARGE, SMALL = 230, 24  # area of a mark, in square points


@styled
def dvfs_clock_map(record: AnswersRecord) -> Figure:
    """Return the figure: each point at the clocks that both roles held, coloured by its value; the chosen framed."""
    answers = [answer for answer in record.answers if {"prefill", "decode"} <= _roles(answer)]
    figure, rows = answer_rows(answers, ROW_HEIGHT_IN, "no deployment has prefill and decode on GPUs of their own")
    for answer, energy, attained in rows:
        _panel(energy, answer, lambda point: point.energy_ratio.value, "Energy (ratio to stock)", "{:.3f}")
        _panel(attained, answer, _attainment, "Requests within the limits (share)", "{:.2f}")
    if not rows:
        return figure
    starts = n_text(point.num_launches for answer, _, _ in rows for point in answer.points)
    legend_below(
        figure,
        [],
        f"Means over {starts}, energy paired by launch; its colours end at 1.2. Framed: the recommended point; small:"
        " one role's clock set, the other left alone.",
    )
    return figure


def _roles(answer: Answer) -> set[str]:
    return {role for point in answer.points for role in point.held_sm_clock_mhz}


def _attainment(point: AnsweredPoint) -> float | None:
    """Return the share of requests within the limits; None: the load has none, and every request is within them."""
    if point.within_limits is None or point.details is None:
        return None
    return point.details.slo_attainment_fraction


def _panel(
    axes: Axes, answer: Answer, value_of: Callable[[AnsweredPoint], float | None], label: str, shown: str
) -> None:
    found = [
        (point, value)
        for point in answer.points
        if (settings(point) or not point.point.asks_for_something)
        and {"prefill", "decode"} <= set(point.held_sm_clock_mhz)
        and (value := value_of(point)) is not None
    ]
    axes.set_xlabel("Prefill clock held (MHz)")
    axes.set_ylabel("Decode clock held (MHz)")
    if not found:
        draw_note(axes, f"{label}: the load has no limits, or it was not measured", width=30)
        return
    values = [value for _, value in found]
    scale = energy_scale(values) if "ratio" in label else Normalize(0, 1)
    for point, value in found:
        _draw(axes, point, value, scale, shown, chosen=is_chosen(answer, point))
    axes.margins(0.12)
    axes.grid(False)
    bar = axes.get_figure(root=True).colorbar(ScalarMappable(scale, COLOURS), ax=axes, pad=0.02)  # type: ignore[union-attr]
    bar.set_label(label)


def _draw(axes: Axes, point: AnsweredPoint, value: float, scale: Normalize, shown: str, *, chosen: bool) -> None:
    """Draw a point of both roles' clocks as a square with its number, one of a single role's as a small square."""
    x, y = point.held_sm_clock_mhz["prefill"], point.held_sm_clock_mhz["decode"]
    is_large = chosen or len(settings(point)) > 1 or not point.point.asks_for_something
    axes.scatter(
        [x],
        [y],
        c=[value],
        cmap=COLOURS,
        norm=scale,
        marker="s",
        s=LARGE if is_large else SMALL,
        edgecolors=VERMILLION if chosen else "none",
        linewidths=1.6,
        zorder=3 if is_large else 2,
    )
    if is_large:
        ink = ink_on(scale, value)
        axes.annotate(shown.format(value), (x, y), ha="center", va="center", fontsize=5, color=ink, zorder=4)
