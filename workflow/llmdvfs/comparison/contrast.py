"""Two deployments set against each other in one metric: which launches count, what their ratio is made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from llmdvfs.comparison.statistics import LogMean, log_mean, log_ratio
from llmdvfs.comparison.summary import replicates
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import DeploymentSummary, LaunchRatio, LaunchValue


@dataclass(frozen=True, slots=True)
class Contrast:
    """The launches of two deployments that are compared; where they are paired, the same launches of both."""

    baseline: tuple[LaunchValue, ...]
    other: tuple[LaunchValue, ...]
    paired: bool
    per_gpu: bool
    """Whether the values were divided by their deployment's number of GPUs."""

    @property
    def valid(self) -> bool:
        """Whether no gate failed in any of the launches."""
        return all(launch.valid for launch in (*self.baseline, *self.other))

    @property
    def sides(self) -> tuple[list[float], list[float]]:
        """Return the values of the baseline and of the other deployment, one a server start."""
        return replicates(self.baseline), replicates(self.other)

    @property
    def launch_ratios(self) -> tuple[LaunchRatio, ...]:
        """Return other / baseline of every launch; empty where launches do not pair or a value has no ratio."""
        if not self.paired or self.why_no_ratio():
            return ()
        return tuple(
            LaunchRatio(a.launch, b.value / a.value, a.valid and b.valid)
            for a, b in zip(self.baseline, self.other, strict=True)
            if a.value and b.value
        )

    def why_no_ratio(self) -> str | None:
        """Return why these launches give no ratio; None: they give one."""
        ours, theirs = self.sides
        if not ours or not theirs:
            return "not measured on both sides"
        if not all(math.isfinite(value) and value > 0 for value in (*ours, *theirs)):
            return "a value is not above 0: it has no ratio"
        return None

    def log_ratio(self) -> LogMean | None:
        """Return the mean logarithm of other / baseline; None where there is no ratio."""
        if self.why_no_ratio():
            return None
        return log_mean([own.ratio for own in self.launch_ratios]) if self.paired else log_ratio(*self.sides)

    def launches_differ_factor(self) -> float | None:
        """Return the largest over the smallest ratio of a launch.

        Unpaired: of the values, on the side that varies more.
        """
        if self.why_no_ratio():
            return None
        samples = [[own.ratio for own in self.launch_ratios]] if self.paired else self.sides
        return max(max(sample) / min(sample) for sample in samples)

    def without_doubtful(self) -> "Contrast | None":
        """Return the contrast of the launches in which no gate failed; None where that is all of them, or none."""
        if self.valid:
            return None
        if self.paired:
            kept = [pair for pair in zip(self.baseline, self.other, strict=True) if pair[0].valid and pair[1].valid]
            ours, theirs = tuple(a for a, _ in kept), tuple(b for _, b in kept)
        else:
            ours, theirs = (tuple(own for own in side if own.valid) for side in (self.baseline, self.other))
        return Contrast(ours, theirs, self.paired, self.per_gpu) if ours and theirs else None


def contrast(name: str, baseline: DeploymentSummary, other: DeploymentSummary) -> Contrast:
    """Return one metric of two deployments: paired by launch where two launches pair, else by single starts.

    name: in METRICS.
    """
    per_gpu = METRICS[name].grows_with_gpus and baseline.num_gpus != other.num_gpus
    ours, theirs = (_values(side, name, per_gpu=per_gpu) for side in (baseline, other))
    common = sorted({own.launch for own in ours} & {own.launch for own in theirs})
    if len(common) > 1 and not _shares_a_start(ours) and not _shares_a_start(theirs):
        first, second = ({own.launch: own for own in side} for side in (ours, theirs))
        return Contrast(tuple(first[k] for k in common), tuple(second[k] for k in common), True, per_gpu)
    return Contrast(tuple(ours), tuple(theirs), False, per_gpu)


def _values(deployment: DeploymentSummary, name: str, *, per_gpu: bool) -> list[LaunchValue]:
    """Return the metric of every launch that has it at the operating point, per GPU if so asked."""
    gpus = (deployment.num_gpus or 1) if per_gpu else 1
    return [
        LaunchValue(cell.launch, cell.server_start_id, cell.value / gpus, cell.valid)
        for cell in deployment.metrics[name].by_launch
        if cell.value is not None and cell.applied
    ]


def _shares_a_start(launches: Sequence[LaunchValue]) -> bool:
    """Return whether a server start stands for several launches: those do not pair."""
    return any(a.server_start_id == b.server_start_id for a, b in combinations(launches, 2))
