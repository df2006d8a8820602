"""Measures what idle GPUs draw at each operating point of a sweep, before its load begins."""

import logging
import time
from collections.abc import Collection, Sequence

from llmdvfs.benchmark.sweep.live import Live
from llmdvfs.benchmark.sweep.probe import mean_power_w
from llmdvfs.benchmark.task import CellTask
from llmdvfs.benchmark.watching import check_servers, idle
from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.serving.deployment import Deployment
from llmdvfs.telemetry.clocks import locked_clocks

LOG = logging.getLogger(__name__)
SETTLE_S = 0.5  # from a lock to a level power: an H100's limiter and sensor need 0.1 s
MEASURED_IN_LAUNCH = 1  # a restart changes energies, but not by what a lock does to an idle GPU


def idle_at_points(
    tasks: Sequence[CellTask], deployment: Deployment, live: Live, device_ids: Collection[str], length_s: float
) -> dict[str, dict[str, float]]:
    """Hold each point for a while without load; return point -> device id -> mean power [W].

    A point that is not applied, or cannot be set, is left out: its step says why. Raises GpusNotRestored, and
    ServerDied where a server has ended.
    """
    found: dict[str, dict[str, float]] = {}
    for point in {task.point.id: task.point for task in tasks if task.point.asks_for_something}.values():
        check_servers(deployment, "while idle at an operating point")
        gpus_of_role = deployment.server_start.gpus_of_role()
        try:
            with locked_clocks(point, gpus_of_role, gpu_indices=deployment.gpu_indices) as held:
                if held.applied.state != "applied":
                    continue
                time.sleep(SETTLE_S)
                window = idle(length_s)
        except GpusNotRestored:
            raise
        except ClockControlError as error:
            LOG.info("idle at %s: not measured: %s", point.id, error)
            continue
        live.update()
        powers = {} if window is None else {id_: mean_power_w(live, id_, window) for id_ in device_ids}
        found[point.id] = {id_: power for id_, power in powers.items() if power is not None}
        LOG.info("idle at %s: %.0f W", point.id, sum(found[point.id].values()))
    return found
