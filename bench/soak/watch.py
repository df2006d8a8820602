"""What the processes of a run hold: memory, descriptors, threads, files and sockets, by the kind of process."""

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("guard", ("llmdvfs guard",)),  # first: a guard's command line ends with that of what it guards
    ("proxy", ("llmdvfs proxy",)),
    ("job", ("llmdvfs benchmark",)),
    ("sampler", ("telemetry.sampler_process",)),
    ("load generator", ("llmdvfs load",)),
    ("mock server", ("llmdvfs mock-server",)),
    ("server (prefill)", ("vllm.entrypoints", '"kv_producer"')),
    ("server (decode)", ("vllm.entrypoints", '"kv_consumer"')),
    ("server (single)", ("vllm.entrypoints",)),
    ("engine", ("VLLM::",)),  # of any server: vLLM takes away its command line
    ("snakemake", ("snakemake",)),
)
"""Kind -> words that a command line has; the first kind that fits. Whatever fits none is "other"."""


@dataclass(slots=True)
class Holding:
    """What all processes of a kind hold together, at one moment."""

    num: int = 0
    rss_bytes: int = 0
    num_fds: int = 0
    num_threads: int = 0


@dataclass(slots=True)
class Seen:
    """Things outside the run's own folders that its processes had at any time."""

    written: set[str] = field(default_factory=set)
    """Files open for writing."""
    shared_memory: set[str] = field(default_factory=set)
    """Files of /dev/shm that were mapped or open."""
    listening: set[tuple[str, str]] = field(default_factory=set)
    """(kind, address) of every listening socket."""


def look(root: int, own_folders: Iterable[Path], seen: Seen, *, sockets: bool) -> dict[str, Holding]:
    """Return what every kind of process below `root` (itself included) holds, and add to `seen`."""
    held: dict[str, Holding] = defaultdict(Holding)
    own = tuple(str(folder) for folder in own_folders)
    try:
        family = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    except psutil.NoSuchProcess:
        return {}
    for process in family:
        try:
            kind = kind_of(" ".join(process.cmdline()))
            files = _look_at_files(process.pid, own, seen)
            holding = Holding(1, process.memory_info().rss, files, process.num_threads())
            if sockets:
                addresses = (c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN)
                seen.listening |= {(kind, address) for address in addresses}
        except (psutil.Error, OSError):
            continue  # ended meanwhile
        if holding.rss_bytes:  # a process that has just ended has no memory
            held[kind] = _sum(held[kind], holding)
    return dict(held)


def kind_of(command: str) -> str:
    """Return the kind of process that a command line is."""
    return next((kind for kind, words in KINDS if all(word in command for word in words)), "other")


def _sum(one: Holding, other: Holding) -> Holding:
    return Holding(*(getattr(one, name) + getattr(other, name) for name in Holding.__slots__))


def _look_at_files(pid: int, own: tuple[str, ...], seen: Seen) -> int:
    """Return the number of descriptors, having noted what was written and shared outside the run's own folders."""
    folder = Path(f"/proc/{pid}/fd")
    fds = [entry.name for entry in folder.iterdir()]
    for fd in fds:
        try:
            target = str((folder / fd).readlink())
            flags = int(Path(f"/proc/{pid}/fdinfo/{fd}").read_text().split("flags:")[1].split()[0], 8)
        except (OSError, IndexError):
            continue
        if target.startswith("/dev/shm/"):
            seen.shared_memory.add(target)
        elif target.startswith("/") and not target.startswith(("/dev/", "/proc/", *own)) and flags & os.O_ACCMODE:
            seen.written.add(target)
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        _, _, name = line.partition("/dev/shm/")
        if name:
            seen.shared_memory.add(f"/dev/shm/{name}")
    return len(fds)


def left_over(paths: Iterable[str]) -> list[str]:
    """Return those of the files that still exist."""
    return sorted(path for path in paths if Path(path).exists())


def files_in(folder: Path, *, without: Iterable[str] = ()) -> tuple[int, int]:
    """Return number and bytes of the files below a folder, but for some of its entries."""
    num, size = 0, 0
    for place, folders, names in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in set(without)]
        for name in names:
            try:
                size += (Path(place) / name).lstat().st_size
            except OSError:
                continue  # gone meanwhile
            num += 1
    return num, size
