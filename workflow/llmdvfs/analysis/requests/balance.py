"""How evenly the proxy spread a load over the instances; docs/metrics.md#balance."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.result import BalanceResult
from llmdvfs.records.run import InstanceRecord


def balance_result(instances: Sequence[InstanceRecord], proxy: Iterable[ProxyRecord]) -> BalanceResult | None:
    """Return how many requests each instance took part in, answered or not, and how uneven those numbers are.

    instances: all of the deployment, so that one that got no request counts with 0. proxy: the stamps of every request.
    None: there are no stamps, since no proxy stood before the servers.
    """
    served: Counter[str | None] = Counter()
    for record in proxy:
        served.update((record.prefill_instance, record.decode_instance))
    if not served:
        return None
    by_role: dict[str, list[int]] = defaultdict(list)
    for instance in instances:
        by_role[instance.role].append(served[instance.name])
    return BalanceResult(
        requests_by_instance={instance.name: served[instance.name] for instance in instances},
        imbalance_fraction=max((_imbalance(counts) for counts in by_role.values() if len(counts) > 1), default=None),
    )


def _imbalance(counts: Sequence[int]) -> float:
    mean = fmean(counts)
    return max(counts) / mean - 1 if mean else 0.0
