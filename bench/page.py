"""What a bench writes into a page of docs/: its table, and the conditions that it was measured under."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

END = "<!-- end -->"


def marked_page(script: str) -> Callable[[str], Path]:
    """Return what `--page` takes: a page with the script's mark. One without it is told before hours of measuring."""

    def page(path: str) -> Path:
        if _mark(script) not in Path(path).read_text():
            raise argparse.ArgumentTypeError(f"{path} has no line {_mark(script)!r} that says where the table belongs")
        return Path(path)

    return page


def write_measured(page: Path, script: str, text: str) -> None:
    """Replace the part of the page between the script's mark and the next end mark."""
    before, mark, rest = page.read_text().partition(_mark(script))
    if not mark:
        raise SystemExit(f"{page} has no line {_mark(script)!r} that says where the table belongs")
    page.write_text(f"{before}{mark}\n{text}\n{END}{rest.partition(END)[2]}")


def _mark(script: str) -> str:
    return f"<!-- measured: {script} writes this part -->"


def host() -> str:
    """Return date, CPU, cores and versions in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "CPU unknown")
    return (
        f"{time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def beside(title: str, heads: list[str], rows: dict[str, list[list[float]]]) -> str:
    """Return a Markdown table of medians; rows: what was measured -> each checkout's runs, which went in turns.

    Of two checkouts it also has the median ratio of the runs that were made one after the other.
    """
    lines = [title, "", f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, values in rows.items():
        cells = [f"{statistics.median(own):.3g}" for own in values]
        if len(values) > 1:
            cells.append(f"{statistics.median(a / b for a, b in zip(*values, strict=True)):.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
