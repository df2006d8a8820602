"""Runs a sweep: one sampler and one load, under which a workload's points are entered and left."""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from llmdvfs.benchmark.client import load_client
from llmdvfs.benchmark.run_record import joined
from llmdvfs.benchmark.sweep.cut import Span
from llmdvfs.benchmark.sweep.idle_at_points import MEASURED_IN_LAUNCH, idle_at_points
from llmdvfs.benchmark.sweep.live import Live
from llmdvfs.benchmark.sweep.probe import mean_power_w, probe_stock
from llmdvfs.benchmark.sweep.step import MAX_HOLD_S, Step, measure_step, settle
from llmdvfs.benchmark.sweep.under_way import UnderWay
from llmdvfs.benchmark.task import CellTask
from llmdvfs.benchmark.watching import check, check_servers, idle, start_watching
from llmdvfs.clock import NS_PER_S, mono_ns, unix_s
from llmdvfs.errors import ClockControlError, GpusNotRestored, LlmDvfsError
from llmdvfs.hosts.gpus import foreign_processes
from llmdvfs.load.run import PROGRESS
from llmdvfs.records import raw
from llmdvfs.records.point import AppliedPoint, OperatingPoint
from llmdvfs.records.spec import WorkloadSpec
from llmdvfs.records.under_load import StockProbe
from llmdvfs.serving.deployment import Deployment
from llmdvfs.telemetry.clocks import locked_clocks

LOG = logging.getLogger(__name__)
ENDLESS = 10**12
"""Requests of a plan that no load comes to the end of."""


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was measured, and whose point was taken back as it should be."""

    key: str
    position: int
    started_unix_s: float
    applied: AppliedPoint
    step: Step
    left_mono_ns: int
    foreign_processes: tuple[str, ...] | None


@dataclass(slots=True)
class Sweep:
    """Everything known of a sweep, while it goes on and after it has ended in whatever way."""

    tasks: Sequence[CellTask]
    deployment: Deployment
    folder: Path
    """Folder of the recording that all steps share."""
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    idle_mono_ns: list[Span] = field(default_factory=list)
    idle_at_points_w: dict[str, dict[str, float]] = field(default_factory=dict)
    """Point -> device id -> mean power without load; points at which that was not measured are absent."""
    probe: StockProbe | None = None
    done: list[Done] = field(default_factory=list)
    failures: list[tuple[CellTask, LlmDvfsError]] = field(default_factory=list)
    entered_mono_ns: dict[str, int] = field(default_factory=dict)
    """Key -> when its point was entered, for every step that was begun."""
    after_step: Callable[["Sweep"], None] = lambda sweep: None
    """Called under the load, after every step."""

    @property
    def first(self) -> CellTask:
        """Return the first step; its workload, seeds and settings are those of all."""
        return self.tasks[0]

    def step_folder(self, key: str) -> Path:
        """Return the folder that takes a step's own files, and becomes its measurement."""
        return self.folder / "steps" / key

    @property
    def untried(self) -> list[CellTask]:
        """Return the steps that have not ended, well or badly."""
        tried = {done.key for done in self.done} | {task.cell.key for task, _ in self.failures}
        return [task for task in self.tasks if task.cell.key not in tried]

    @property
    def measured_fraction(self) -> float | None:
        """Return the share of the sweep's time that lies in windows of its steps; None before its end."""
        if len(self.idle_mono_ns) < 2:
            return None
        windows = sum(done.step.window_mono_ns[1] - done.step.window_mono_ns[0] for done in self.done)
        return windows / (self.idle_mono_ns[-1][1] - self.idle_mono_ns[0][0])

    def record(self) -> None:
        """Go through all steps.

        What fails one step is noted; what ends the sweep is raised, GpusNotRestored among it: a driver that takes no
        more orders may not have kept those of the last step either.
        """
        settings = self.first.job.settings
        load = replace(self.first.load_spec(self.deployment, self.folder), workload=endless(self.first.workload))
        check_servers(self.deployment, "before a sweep")
        self.deployment.reset()
        with start_watching(self.deployment, settings, self.folder / raw.TELEMETRY) as sampler:
            sampler.wait_ready()
            device_ids = {id_ for instance in self.deployment.server_start.instances for id_ in instance.device_ids}
            live = Live(self.folder / raw.TELEMETRY, self.folder / PROGRESS, device_ids)
            self._idle(settings.idle_s)
            live.update()
            idle_power_w = self._idle_power_w(live, device_ids)
            if settings.idle_at_points_s is not None and self.first.job.launch == MEASURED_IN_LAUNCH:
                self.idle_at_points_w = {
                    **{task.point.id: idle_power_w for task in self.tasks if not task.point.asks_for_something},
                    **idle_at_points(self.tasks, self.deployment, live, device_ids, settings.idle_at_points_s),
                }
            with load_client(replace(load, until_told=True)) as client:
                under_way = UnderWay(self.deployment, sampler, client, live)
                under_way.wait_for_load()
                if self.first.point.asks_for_something:  # what is left of a sweep: its stock was measured before
                    self._settle_at_stock(under_way, idle_power_w)
                for task in self.tasks:
                    self._try_step(task, under_way, idle_power_w)
                    self.after_step(self)
                under_way.end_load(MAX_HOLD_S)
            self._idle(settings.idle_s)
            check(self.deployment, sampler, "after the load")

    def _idle(self, length_s: float) -> None:
        if (window := idle(length_s)) is not None:
            self.idle_mono_ns.append(window)

    def _idle_power_w(self, live: Live, device_ids: set[str]) -> dict[str, float]:
        if not self.idle_mono_ns:
            return {}
        powers = {id_: mean_power_w(live, id_, self.idle_mono_ns[0]) for id_ in device_ids}
        return {id_: power for id_, power in powers.items() if power is not None}

    def _settle_at_stock(self, under_way: UnderWay, idle_power_w: dict[str, float]) -> None:
        """Take the probe at stock without measuring a step there."""
        gpus_of_role = self.deployment.server_start.gpus_of_role()
        stock = OperatingPoint("stock")
        with locked_clocks(stock, gpus_of_role, gpu_indices=self.deployment.gpu_indices) as held:
            self._probe(under_way, settle(under_way, held, mono_ns()).span_mono_ns, idle_power_w)

    def _probe(self, under_way: UnderWay, span: Span, idle_power_w: dict[str, float]) -> None:
        """Look at the GPUs at stock under the load, over the span in which it has just settled."""
        gpus_of_role = self.deployment.server_start.gpus_of_role()
        self.probe = probe_stock(under_way.live, span, gpus_of_role, idle_power_w)
        for role, seen in self.probe.roles.items():
            LOG.info("%s: at stock %s", role, _in_words(seen.sm_clock_p50_mhz, seen.sm_clock_p10_mhz, seen.power_w))

    def _try_step(self, task: CellTask, under_way: UnderWay, idle_power_w: dict[str, float]) -> None:
        """Enter a point, measure and leave it; a point that cannot be set or watched over fails this step alone."""
        if (why := self.cap_bound(task)) and task.job.settings.skip_cap_bound:
            self.failures.append(
                (task, ClockControlError(f"not measured (measure.skip_cap_bound): {'; '.join(why)}; see the probe"))
            )
            LOG.info("%s: skipped: %s", task.id.folder(), "; ".join(why))
            return
        self.entered_mono_ns[task.cell.key] = mono_ns()
        self.step_folder(task.cell.key).mkdir(parents=True)
        try:
            done = self._step(task, under_way, idle_power_w)
        except GpusNotRestored:
            raise
        except ClockControlError as error:
            self.failures.append((task, error))
            return
        except LlmDvfsError as error:
            self.failures.append((task, error))
            raise
        self.done.append(done)
        window, entered = done.step.window_mono_ns, done.step.entered_mono_ns
        LOG.info(
            "%s: settled in %.1f s, measured for %.1f s",
            task.id.folder(),
            (window[0] - entered) / NS_PER_S,
            (window[1] - window[0]) / NS_PER_S,
        )

    def _step(self, task: CellTask, under_way: UnderWay, idle_power_w: dict[str, float]) -> Done:
        watched = self.deployment.gpu_indices if self.deployment.instances else ()
        before = foreign_processes(watched)
        gpus_of_role = self.deployment.server_start.gpus_of_role()
        with locked_clocks(task.point, gpus_of_role, gpu_indices=self.deployment.gpu_indices) as held:
            started_unix_s, entered = unix_s(), mono_ns()
            settled = settle(under_way, held, entered)
            if self.probe is None and not task.point.asks_for_something:
                self._probe(under_way, settled.span_mono_ns, idle_power_w)
            folder = self.step_folder(task.cell.key)
            step = measure_step(
                under_way, held, task.workload, entered, settled, folder, task.job.settings.half_width_fraction
            )
            left = mono_ns()
        return Done(
            key=task.cell.key,
            position=self.tasks.index(task),
            started_unix_s=started_unix_s,
            applied=held.applied,
            step=step,
            left_mono_ns=left,
            foreign_processes=joined(before, foreign_processes(watched)),
        )

    def cap_bound(self, task: CellTask) -> tuple[str, ...]:
        """Return why the load cannot hold a step's clocks, as the probe at stock shows; empty: it can, or no probe."""
        return () if self.probe is None else self.probe.cap_bound(task.point)


def endless(workload: WorkloadSpec) -> WorkloadSpec:
    """Return the workload with a load that goes on until it is told to end."""
    return replace(workload, num_requests=ENDLESS, duration_s=None, min_requests=None, max_duration_s=None)


def _in_words(p50_mhz: float | None, p10_mhz: float | None, power_w: float | None) -> str:
    clock = "no clock is told" if p50_mhz is None else f"the load holds {p50_mhz:.0f} MHz (p10 {p10_mhz:.0f})"
    return clock if power_w is None else f"{clock} at {power_w:.0f} W"
