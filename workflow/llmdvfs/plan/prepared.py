"""Launches whose servers are prepared while the launch before is started: how Snakemake runs two of them at once.

It counts cores, so the numbers below are chosen to fit: two launches and never three, and beside a launch nothing that
makes numbers or figures. Which of the two measures is decided by the lock of the host (benchmark/host_lock.py).
"""

from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.spec import DeploymentSpec


def is_prepared(deployment: DeploymentSpec, settings: MeasureSettings) -> bool:
    """Return whether a deployment's servers import while they wait for the host: where they run on it, and wait."""
    on_this_host = not deployment.hosts and deployment.device != "external"
    return settings.prepare_servers and on_this_host and not settings.side_by_side


def cores_of_launch(num_cores: int) -> int:
    """Return the cores that a launch asks for: more than a third of them, and at most half where they are even."""
    return num_cores // 3 + 1


def cores_of_making(num_cores: int) -> int:
    """Return the cores that whatever is made of measurements asks for: one more than a launch leaves."""
    return num_cores - num_cores // 3
