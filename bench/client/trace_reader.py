"""Reads a window of a long synthetic trace with this checkout's reader and with an older one: time and peak memory.

    python bench/client/trace_reader.py [--rows 27000000] [--start-s 0 300000] [--window-s 60] [--base CHECKOUT]

The rows have the layout of Azure's traces of 2023, which both readers know, 45 a second. Each reader runs in a process
of its own. Without --base only this checkout is measured; the older reader holds the whole trace in memory (270 bytes a
row), so that few rows are for it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS_PER_S = 45

OURS = """
from llmdvfs.inputs.traces.reader import read_window
rows = list(read_window(path, "azure", start_s=start_s, length_s=window_s))
"""
OLDER = """
from llmdvfs.load.traces import cut_trace, read_trace
rows = cut_trace(read_trace(path, "azure"), start_s=start_s, length_s=window_s, speedup=1.0)
"""
MEASURED = """
import json, resource, sys, time
from pathlib import Path
path, start_s, window_s = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
begin = time.perf_counter()
{read}
print(json.dumps({{"rows": len(rows), "s": time.perf_counter() - begin,
                  "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=27_000_000)
    parser.add_argument("--start-s", type=float, nargs="+", default=[0.0, 300_000.0])
    parser.add_argument("--window-s", type=float, default=60.0)
    parser.add_argument("--base", type=Path, help="a checkout with the reader that holds the whole trace")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        with path.open("w") as file:
            file.writelines(synthetic(args.rows))
        print(f"{args.rows} rows, {path.stat().st_size / 1e6:.0f} MB")
        for start_s in args.start_s:
            window = (str(path), str(start_s), str(args.window_s))
            ours = measured(ROOT, OURS, *window)
            print(f"window at {start_s:g} s: here {shown(ours)}", flush=True)
            if args.base:
                older = measured(args.base, OLDER, *window)
                print(f"  older {shown(older)}; {older['s'] / ours['s']:.0f} times the time", flush=True)
    return 0


def synthetic(num_rows: int) -> Iterator[str]:
    """Yield the lines of a trace, second by second."""
    yield "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    begin = datetime(2024, 5, 10)
    fractions = [f"{10_000_000 * number // ROWS_PER_S:07d}" for number in range(ROWS_PER_S)]
    for second in range(-(-num_rows // ROWS_PER_S)):
        stamp = f"{begin + timedelta(seconds=second)}"
        count = min(ROWS_PER_S, num_rows - second * ROWS_PER_S)
        yield "".join(f"{stamp}.{fractions[number]},{500 + number},{100 + second % 50}\n" for number in range(count))


def measured(checkout: Path, read: str, *window: str) -> dict[str, float]:
    """Return rows, seconds and peak memory of one read in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED.format(read=read), *window],
        env={"PYTHONPATH": str(checkout / "workflow")},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def shown(found: dict[str, float]) -> str:
    return f"{found['rows']} rows in {found['s']:.2f} s, {found['mb']:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
