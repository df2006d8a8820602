"""`monitor`: samples this machine without any load; a live view, then statistics, JSON and CSV."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from llmdvfs.analysis.recording.summary import summarise_recording
from llmdvfs.analysis.recording.text import recording_csv, recording_table
from llmdvfs.commands.files import file_to_write
from llmdvfs.commands.numbers import above_zero
from llmdvfs.errors import ConfigError
from llmdvfs.records.store import write_record, write_text
from llmdvfs.records.telemetry_file import read_telemetry
from llmdvfs.telemetry.live import watch
from llmdvfs.telemetry.sampler import start_sampler


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--gpus", default="all", help="NVML indices with commas between, all (default) or none")
    parser.add_argument("--interval", type=above_zero, default=0.1, help="seconds between readings (default 0.1)")
    parser.add_argument(
        "--counter-interval",
        type=above_zero,
        default=0.02,
        help="seconds between polls of the energy counter (default 0.02)",
    )
    parser.add_argument("--duration", type=above_zero, help="seconds to run; left out: until Ctrl-C")
    parser.add_argument("--json", type=file_to_write, help="file for statistics and readings")
    parser.add_argument("--csv", type=file_to_write, help="file for the readings, a row each")
    parser.add_argument("--raw", type=Path, help="keep the sampler's own file here (a new file, .jsonl)")
    parser.add_argument(
        "--exporter",
        action="append",
        default=[],
        metavar="URL",
        help="a dcgm-exporter of a host that one may not enter, as http://node7:9400/metrics; may be given again",
    )
    parser.add_argument("--replay", type=Path, help="show this recorded file in place of the machine's devices")


def run(options: argparse.Namespace) -> int:
    """Show the live view until the time is over or Ctrl-C, then print the statistics and write the files."""
    if options.json is not None and options.json == options.csv:
        raise ConfigError(f"--json {options.json} --csv {options.csv}: one file for both; expected two names")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was recorded is written
    with tempfile.TemporaryDirectory() as folder:
        path = options.raw or Path(folder) / "telemetry.jsonl"
        with start_sampler(
            path,
            interval_s=options.interval,
            counter_interval_s=options.counter_interval,
            gpu_indices=_indices(options.gpus),
            exporters=options.exporter,
            replay=options.replay,
        ) as sampler:
            sampler.wait_ready()
            watch(sampler, options.duration, sys.stderr)
            report = sampler.stop()
        record = summarise_recording(*read_telemetry(path), report)
    print(recording_table(record), end="")
    if options.json:
        write_record(options.json, record)
    if options.csv:
        write_text(options.csv, recording_csv(record))
    return 1 if report.error and not options.replay else 0


def _indices(text: str) -> Sequence[int] | None:
    if text == "all":
        return None
    try:
        return [] if text == "none" else [int(index) for index in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--gpus {text}: expected indices with commas between, as in 0,1; or all, or none") from error
