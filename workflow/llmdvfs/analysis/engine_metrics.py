"""By how much the servers' own counters grew between two scrapes."""

from collections.abc import Iterable

from llmdvfs.records.metrics import MetricsRecord


def increase(
    before: MetricsRecord, after: MetricsRecord, metric: str, *, instances: Iterable[str], **labels: str
) -> float | None:
    """Return by how much a Prometheus counter grew between two scrapes, in the counter's own unit.

    The growth is summed over the instances, and over all series of the metric that carry the labels given. metric: its
    full name, e.g. `vllm:prompt_tokens_total`. None, since a part of a sum is no sum: an instance was not scraped, has
    no such counter, or has one that fell, as it does when a server restarts between the scrapes.
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
