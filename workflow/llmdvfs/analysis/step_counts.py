"""How many steps an engine says that it made, beside those told from the stamps (docs/metrics.md#steps)."""

from collections.abc import Iterator

from llmdvfs.analysis.transfer.engine_metrics import increase
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.result import StepCount
from llmdvfs.records.run import RunRecord

ITERATIONS = "vllm:iteration_tokens_total"  # a histogram: an observation a step, of the tokens computed in it


def step_counts(
    run: RunRecord, phases: PhasesRecord, before: MetricsRecord, after: MetricsRecord
) -> Iterator[StepCount]:
    """Yield for each role whose steps were told how many its engine counted between the two scrapes.

    Nothing for a step of a sweep, whose files hold a slice of the load that the scrapes do not match.
    """
    if run.under_load is not None:
        return
    for role in dict.fromkeys(step.role for step in phases.steps):
        names = [instance.name for instance in run.server_start.instances if instance.role == role]
        counted, tokens = (
            increase(before, after, f"{ITERATIONS}_{part}", instances=names) if names else None
            for part in ("count", "sum")
        )
        told = sum(step.num_steps for step in phases.steps if step.role == role)
        yield StepCount(role, told, counted, tokens / counted if counted and tokens is not None else None)
