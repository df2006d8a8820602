"""Measures a sweep into the store: every finished step becomes a cell of its own, whatever ended the others."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.benchmark.store import clear_drafts, is_measured
from llmdvfs.benchmark.sweep.state import recover, write_state
from llmdvfs.benchmark.sweep.store_steps import store_steps
from llmdvfs.benchmark.sweep.sweep import Sweep
from llmdvfs.benchmark.task import CellTask
from llmdvfs.errors import GpusNotRestored, LlmDvfsError, in_full
from llmdvfs.serving.deployment import Deployment

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SweepEnd:
    """The steps of a sweep that are not in the store, and why."""

    failures: tuple[tuple[CellTask, LlmDvfsError], ...]
    """Steps that failed, each with its error."""
    untried: tuple[CellTask, ...]
    """Steps before which the sweep ended; they are to be measured in another one."""


def measure_sweep(tasks: Sequence[CellTask], deployment: Deployment, results: Path) -> SweepEnd:
    """Measure the steps of a sweep, in their order, and bring what was measured into the store.

    What ends a sweep fails the step that it came in, or the first one where none had begun; the others are untried.
    GpusNotRestored, and an interruption, are raised once the steps before are in the store.
    """
    name = f"sweep-{tasks[0].id.deployment}-{tasks[0].id.workload}-launch-{tasks[0].id.launch}"
    recover(tasks, results, name)
    clear_drafts(results, name)
    tasks = [task for task in tasks if not is_measured(results, task.cell.key)]
    if not tasks:
        return SweepEnd((), ())
    folder = results / "drafts" / f"{name}.{os.getpid()}"
    folder.mkdir(parents=True)
    sweep = Sweep(tasks, deployment, folder, after_step=write_state)
    try:
        sweep.record()
    except GpusNotRestored:
        store_steps(sweep, results)
        raise
    except LlmDvfsError as error:
        if not any(cause is error for _, cause in sweep.failures) and sweep.untried:
            sweep.failures.append((sweep.untried[0], error))
        LOG.info("the sweep has ended: %s", in_full(error))
        store_steps(sweep, results)
    except BaseException:
        store_steps(sweep, results)
        raise
    else:
        LOG.info("%.0f %% of the sweep's time was measured", 100 * (sweep.measured_fraction or 0.0))
        store_steps(sweep, results)
    return SweepEnd(tuple(sweep.failures), tuple(sweep.untried))
