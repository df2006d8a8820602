"""Whether launches that were measured side by side differ from those of the same deployment that were alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import geometric_mean

from llmdvfs.comparison.cell_metrics import metric_values
from llmdvfs.comparison.summary import Measured

LIMIT_FRACTION = 0.03  # starts of one deployment differ by 1 to 2 % (docs/statistics.md)
METRICS = {
    "ttft_p50_s": "TTFT p50",
    "tpot_mean_s": "TPOT",
    "energy_per_output_token_j": "energy an output token",
}


def disturbed(measured: Iterable[Measured]) -> Iterator[str]:
    """Yield a sentence for each load whose launches beside neighbours differ from those alone, or have none to ask."""
    kinds: dict[str, dict[bool, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    for result, run in measured:
        name = f"{result.cell.deployment}/{result.cell.workload}/{result.cell.point}"
        kinds[name][run.side_by_side].append((result, run))
    for name, both in sorted(kinds.items()):
        if True in both and False not in both:
            yield f"{name}: measured side by side, and no launch alone: nothing tells whether neighbours disturbed it"
        for text in _differences(both.get(False, []), both.get(True, [])):
            yield f"{name}: neighbours disturbed the launches that were measured side by side: {text}"


def _differences(alone: Sequence[Measured], beside: Sequence[Measured]) -> Iterator[str]:
    for metric, words in METRICS.items():
        one, other = _mean(alone, metric), _mean(beside, metric)
        if one is not None and other is not None and abs(other / one - 1) > LIMIT_FRACTION:
            yield (
                f"{words} is {other / one:.3f} of what it is alone (n = {len(beside)} and {len(alone)}; expected "
                f"within {LIMIT_FRACTION:.0%} of 1): measure without side_by_side".replace("%", " %")
            )


def _mean(cells: Iterable[Measured], metric: str) -> float | None:
    """Return the geometric mean of a metric over launches; None where none tells it."""
    told = [value for result, _ in cells if (value := metric_values(result)[metric])]
    return geometric_mean(told) if told else None
