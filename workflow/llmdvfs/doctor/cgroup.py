"""What a container or a batch system leaves of CPUs and memory, from cgroups of version 2 and 1."""

from collections.abc import Iterator
from pathlib import Path

UNLIMITED_BYTES = 2**60  # version 1 writes a number as large as this where there is no limit


def cpu_limit(root: Path = Path("/")) -> float | None:
    """Return the number of CPUs whose time this process and its siblings may use; None: there is no limit.

    root: holds proc/ and sys/.
    """
    limits = []
    for folder in _folders(root, "cpu"):
        words = _words(folder / "cpu.max")  # "max 100000" or "150000 100000": microseconds of CPU a period
        words = words or [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
        if len(words) == 2 and words[0] not in ("max", "-1"):
            limits.append(int(words[0]) / int(words[1]))
    return min(limits, default=None)


def memory_left_bytes(root: Path = Path("/")) -> int | None:
    """Return how many more bytes the cgroups allow; None: there is no limit.

    root: holds proc/ and sys/.
    """
    left = []
    for folder in _folders(root, "memory"):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            values = [*_words(folder / limit), *_words(folder / used)]
            if len(values) == 2 and values[0] != "max" and int(values[0]) < UNLIMITED_BYTES:
                left.append(int(values[0]) - int(values[1]))
    return min(left, default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the process's own group and all above it: each may limit."""
    mounts = {"": root / "sys/fs/cgroup", controller: root / "sys/fs/cgroup" / controller}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, name = line.split(":", 2)
        if controllers in ("", controller) or controller in controllers.split(","):
            mount = mounts["" if not controllers else controller]
            path = Path(name.lstrip("/"))
            yield from (mount / part for part in (path, *path.parents))


def _words(path: Path) -> list[str]:
    lines = _lines(path)
    return lines[0].split() if lines else []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
