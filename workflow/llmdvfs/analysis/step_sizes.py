"""An engine's own histogram of its steps by the tokens computed in each (docs/metrics.md#steps)."""

import re
from dataclasses import dataclass

from llmdvfs.analysis.engine_metrics import increase
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import Role

ITERATIONS = "vllm:iteration_tokens_total"  # a histogram: an observation a step, of the tokens computed in it
_BOUND = re.compile(rf'{ITERATIONS}_bucket{{.*\ble="([\d.e+]+)"')  # without +Inf, which is the count


@dataclass(frozen=True, slots=True)
class StepSizes:
    """The steps that an engine made between two scrapes, the warm-up's included."""

    num_steps: float
    num_tokens: float
    at_most: tuple[tuple[float, float], ...]
    """(tokens, steps that computed at most so many), by rising number of tokens."""

    def bound_over(self, num_tokens: float) -> float | None:
        """Return the least bound of the histogram that is not below num_tokens; None above the largest."""
        return next((bound for bound, _ in self.at_most if bound >= num_tokens), None)

    def num_over(self, bound: float) -> float:
        """Return how many steps computed more tokens than one of the histogram's bounds."""
        return self.num_steps - dict(self.at_most)[bound]


def step_sizes(run: RunRecord, before: MetricsRecord, after: MetricsRecord, role: Role) -> StepSizes | None:
    """Return the histogram of a role's engines over a load, added up; None where one of them does not tell.

    None for a point under one running load too, whose files hold a slice of the load that the scrapes do not match.
    """
    names = [instance.name for instance in run.server_start.instances if instance.role == role]
    if run.under_load is not None or not names:
        return None

    def grown(part: str, **labels: str) -> float | None:
        return increase(before, after, f"{ITERATIONS}_{part}", instances=names, **labels)

    count, tokens = grown("count"), grown("sum")
    if count is None or tokens is None:
        return None
    bounds = {found.group(1) for name in after.instances[names[0]] or () if (found := _BOUND.match(name))}
    told = [(float(bound), grown("bucket", le=bound)) for bound in sorted(bounds, key=float)]
    return StepSizes(count, tokens, tuple((bound, number) for bound, number in told if number is not None))
