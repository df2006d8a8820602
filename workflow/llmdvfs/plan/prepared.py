"""Launches whose servers are prepared while the launch before is started: how Snakemake runs two of them at once.

Which of the two measures is decided by the lock of the host (benchmark/host_lock.py). Beside them nothing is to run:
what is made of measurements waits for all launches of the run (rules/common.smk).
"""

from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.spec import DeploymentSpec


def is_prepared(deployment: DeploymentSpec, settings: MeasureSettings) -> bool:
    """Return whether a deployment's servers import while they wait for the host: where they run on it, and wait."""
    on_this_host = not deployment.hosts and deployment.device != "external"
    return settings.prepare_servers and on_this_host and not settings.side_by_side


def cores_of_launch(num_cores: int) -> int:
    """Return the cores that a launch asks Snakemake for, so that it runs two of them and never three: over a third."""
    return num_cores // 3 + 1


def fit_two(num_cores: int) -> bool:
    """Return whether two launches fit at once; of 1 and of 3 cores they do not."""
    return 2 * cores_of_launch(num_cores) <= num_cores
