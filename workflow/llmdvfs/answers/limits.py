"""Whether a point keeps latency limits: judged by the upper bound over launches, not by the mean.

A mean at its limit breaks it in half of all launches; the one-sided 95 % bound asks that the limit holds in the mean
over further launches, and needs two launches at least.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from llmdvfs.answers.intervals import upper_bound
from llmdvfs.records.spec import SloSpec


def within_limits(limits: SloSpec, latencies_s: Mapping[str, Sequence[float]]) -> tuple[bool | None, str | None]:
    """Return whether all limits are kept, and which is not and why; (None, None) where there are no limits.

    latencies_s: `ttft_s`, `tpot_s`, `e2e_s` -> the p99 of each launch.
    """
    asked = {name: limit for name, limit in asdict(limits).items() if limit is not None}
    if not asked:
        return None, None
    for name, limit in asked.items():
        values = latencies_s.get(name, ())
        bound = upper_bound(values)
        shown = name.removesuffix("_s").upper()
        if bound is None:
            return False, f"{shown} p99 has {len(values)} launch(es): a limit is judged over two or more"
        if bound > limit:
            return False, f"{shown} p99 is up to {bound * 1e3:.4g} ms (95 % bound), limit {limit * 1e3:g} ms"
    return True, None
