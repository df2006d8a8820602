"""How many steps an engine says that it made, beside those told from the stamps (docs/metrics.md#steps)."""

from collections.abc import Iterator

from llmdvfs.analysis.step_sizes import step_sizes
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.result import StepCount
from llmdvfs.records.run import RunRecord


def step_counts(
    run: RunRecord, phases: PhasesRecord, before: MetricsRecord, after: MetricsRecord
) -> Iterator[StepCount]:
    """Yield for each role whose steps were told how many its engine counted between the two scrapes.

    Nothing for a step of a sweep, whose files hold a slice of the load that the scrapes do not match.
    """
    if run.under_load is not None:
        return
    for role in dict.fromkeys(step.role for step in phases.steps):
        sizes = step_sizes(run, before, after, role)
        told = sum(step.num_steps for step in phases.steps if step.role == role)
        counted = None if sizes is None else sizes.num_steps
        yield StepCount(role, told, counted, sizes.num_tokens / counted if sizes and counted else None)
