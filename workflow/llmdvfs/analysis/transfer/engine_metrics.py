"""What the servers' own counters did between two scrapes."""

from collections.abc import Iterable

from llmdvfs.records.metrics import MetricsRecord


def increase(
    before: MetricsRecord, after: MetricsRecord, metric: str, *, instances: Iterable[str], **labels: str
) -> float | None:
    """Return by how much a counter grew, summed over instances and over all series with these labels.

    metric: its full name, e.g. `vllm:prompt_tokens_total`. None: an instance was not scraped, or has no such counter,
    or a counter fell (the server restarted between the scrapes).
    """
    total = 0.0
    for instance in instances:
        first, last = before.instances.get(instance), after.instances.get(instance)
        series = [] if last is None else [name for name in last if _matches(name, metric, labels)]
        if first is None or last is None or not series:
            return None
        growth = [last[name] - first.get(name, 0.0) for name in series]
        if min(growth) < 0:
            return None
        total += sum(growth)
    return total


def _matches(series: str, metric: str, labels: dict[str, str]) -> bool:
    name, _, given = series.partition("{")
    return name == metric and all(f'{key}="{value}"' in given for key, value in labels.items())
