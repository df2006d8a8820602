"""What the study ran on: hosts, versions, and the command of every server."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from llmdvfs.records.run import InstanceRecord
from llmdvfs.report.cells import ReportedCell
from llmdvfs.report.words import Words, words_of

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Command:
    """How one server was started."""

    name: str
    devices: str
    text: str
    """The variables that were set for it, then its command, for a POSIX shell."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What all cells have in common; several lines where they differ."""

    hosts: tuple[str, ...]
    versions: tuple[str, ...]
    energy_sources: tuple[Words, ...]
    commands: dict[str, tuple[Command, ...]]
    """Deployment -> commands of its first measured launch; a deployment that was not started here has none."""
    measured: str
    """First and last day (UTC) on which cells were measured."""


def machine(cells: Sequence[ReportedCell]) -> Machine:
    """Return what the run records say of machine, software and servers."""
    first: dict[str, ReportedCell] = {}
    for cell in sorted(cells, key=lambda cell: cell.result.cell.launch):
        first.setdefault(cell.result.cell.deployment, cell)
    days = sorted(datetime.fromtimestamp(cell.run.started_unix_s, UTC).date().isoformat() for cell in cells)
    return Machine(
        hosts=_distinct(_host(cell) for cell in cells),
        versions=_distinct(_versions(cell) for cell in cells),
        energy_sources=tuple(
            words_of("energy", name) for name in dict.fromkeys(cell.run.energy_source for cell in cells)
        ),
        commands={name: tuple(map(_command, cell.run.server_start.instances)) for name, cell in sorted(first.items())},
        measured=" ... ".join(dict.fromkeys((days[0], days[-1]))) if days else "",
    )


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _host(cell: ReportedCell) -> str:
    hardware = cell.run.hardware
    gpus = list(hardware.get("gpus") or ())
    parts = [f"{gpus.count(name)} x {name}" for name in dict.fromkeys(gpus)]
    parts += [f"{hardware['num_cpus']} CPUs"] if "num_cpus" in hardware else []
    parts += [str(hardware["cpu_model"])] if hardware.get("cpu_model") else []
    parts += [f"{hardware['memory_bytes'] / GIB:.0f} GiB"] if hardware.get("memory_bytes") else []
    parts += [f"Linux {hardware['kernel']}"] if hardware.get("kernel") else []
    return ", ".join(parts)


def _versions(cell: ReportedCell) -> str:
    versions = {**cell.run.server_start.engine_versions, **cell.run.versions}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _command(instance: InstanceRecord) -> Command:
    environment = [f"{name}={shlex.quote(value)}" for name, value in sorted(instance.env.items())]
    lines = [*environment, shlex.join(instance.argv)] if instance.argv else environment
    return Command(instance.name, ", ".join(instance.device_ids), " \\\n  ".join(lines))
