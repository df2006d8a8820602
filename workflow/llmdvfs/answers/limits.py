"""Whether a point keeps latency limits: judged by the upper bound over launches, not by the mean.

A mean at its limit breaks it in half of all launches; the one-sided 95 % bound asks that the limit holds in the mean
over further launches, and needs two launches at least.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from llmdvfs.answers.intervals import upper_bound
from llmdvfs.records.spec import SloSpec


class Kept(NamedTuple):
    """What is known of a point and its latency limits."""

    is_within: bool | None
    """Whether all limits are kept; None: there are none."""
    reason: str | None = None
    """Which limit is not, and why."""
    is_judged: bool = True
    """False where a bound that could break a limit is not known, and so neither is whether it does."""


def within_limits(limits: SloSpec, latencies_s: Mapping[str, Sequence[float]], num_launches: int) -> Kept:
    """Return whether all limits are kept. A limit that is broken counts before one that cannot be judged.

    latencies_s: `ttft_s`, `tpot_s`, `e2e_s` -> the p99 of each of the launches that has one.
    """
    asked = {name: limit for name, limit in asdict(limits).items() if limit is not None}
    if not asked:
        return Kept(None)
    unjudged = None
    for name, limit in asked.items():
        values = latencies_s.get(name, ())
        bound = upper_bound(values)
        shown = name.removesuffix("_s").upper()
        if bound is None:
            unjudged = unjudged or (
                f"{shown} p99 is known of {len(values)} of {num_launches} launches (it takes 100 requests in the "
                "window), and a limit is judged over two or more: add launches, or raise duration_s"
            )
        elif bound > limit:
            return Kept(False, f"{shown} p99 is up to {bound * 1e3:.4g} ms (95 % bound), limit {limit * 1e3:g} ms")
    return Kept(True) if unjudged is None else Kept(False, unjudged, is_judged=False)
