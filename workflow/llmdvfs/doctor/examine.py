"""Runs all checks of a machine for a configuration."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from llmdvfs.doctor import gpus, host, limits, measuring, software, takes
from llmdvfs.errors import LlmDvfsError
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.long_requests import long_requests
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.doctor import Check
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.instance.ports import owner_of

OF_THE_STUDY: dict[str, Callable[[Study], Iterator[Check]]] = {
    "configuration": software.study,
    "engine": software.engine,
    "programs": software.programs,
    "GPUs": gpus.gpus,
    "GPU memory": gpus.memory,
    "GPU links": gpus.links,
    "clocks": gpus.clocks,
    "energy": measuring.energy,
    "activity": measuring.activity,
    "CPUs": host.cpus,
    "memory": host.memory,
    "disk": host.disk,
    "shared memory": host.shared_memory,
    "time and energy": takes.time_and_energy,
    "ports": limits.ports,
    "open files": limits.open_files,
}
OF_THE_HOST: dict[str, Callable[[], Iterator[Check]]] = {
    "Python": software.python,
    "packages": software.packages,
    "priority": limits.priority,
    "host power": measuring.host_power,
    "clock": measuring.clock,
    "wall clock": measuring.wall_clock,
    "governor": host.governor,
    "load": host.load,
    "other runs": host.other_runs,
}


def examine(given: Mapping[str, Any]) -> Iterator[Check]:
    """Yield every check.

    given: the configuration as the user wrote it; where it is wrong, that is a check too, and only those are made that
    need no study.
    """
    for name, look in OF_THE_HOST.items():
        yield from _guarded(name, look)
    try:
        study = make_study(complete_config(given), engine_versions)
        check_preconditions(study, measuring=True, owner_of=owner_of)
    except LlmDvfsError as error:
        yield Check("configuration", "problem", str(error), "correct it (config/README.md explains every key)")
        return
    yield from _guarded("lengths", partial(_lengths, study))
    for name, look_for in OF_THE_STUDY.items():
        yield from _guarded(name, partial(look_for, study))


def _lengths(study: Study) -> Iterator[Check]:
    for said in long_requests(study):
        yield Check("lengths", "warning", said, "see the message")


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield the checks; what ends one of them is a problem of its own."""
    try:
        yield from look()
    except LlmDvfsError as error:
        yield Check(name, "problem", str(error), "see the message")
