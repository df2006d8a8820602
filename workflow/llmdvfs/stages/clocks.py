"""`clocks`: show the GPUs' clocks and limits, or hold a recommendation until interrupted."""

import argparse
import signal
from collections.abc import Callable
from pathlib import Path

from llmdvfs.errors import ClockControlError, ConfigError
from llmdvfs.records.answers import Recommendation, RecommendedClocks
from llmdvfs.records.store import read_record
from llmdvfs.telemetry.clocks import locked_clocks
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("status", help="show core and memory clock and power limit of every GPU")
    apply = commands.add_parser("apply", help="hold a recommendation until interrupted, then undo it")
    apply.add_argument("file", type=Path, help="recommended_clocks.json")
    apply.add_argument("--deployment", help="whose recommendation, where the file has several")
    apply.add_argument("--workload", help="for which load, where the file has several")


def run(options: argparse.Namespace) -> int:
    """Show or hold."""
    if options.what == "status":
        print("\n".join(status_lines()))
    else:
        record = read_record(options.file, RecommendedClocks)
        hold(one_of(record, options.deployment, options.workload), signal.pause)
    return 0


def status_lines() -> list[str]:
    """Return a line a GPU."""
    gpus = [NvmlGpu(index) for index in range(num_gpus())]
    return [
        f"GPU {gpu.index} {gpu.name()}: core {gpu.sm_clock_mhz():.0f} MHz, memory {gpu.memory_clock_mhz():.0f} MHz, "
        f"limit {gpu.power_limit_w():.0f} W (default {gpu.default_power_limit_w():.0f} W)"
        for gpu in gpus
    ]


def one_of(record: RecommendedClocks, deployment: str | None, workload: str | None) -> Recommendation:
    """Return the one recommendation that is meant; ConfigError lists them where there is none or more than one."""
    found = [
        item
        for item in record.recommendations
        if deployment in (None, item.deployment) and workload in (None, item.workload)
    ]
    if len(found) != 1:
        names = ", ".join(f"{item.deployment}/{item.workload}" for item in record.recommendations) or "none"
        raise ConfigError(
            f"{len(found)} recommendations meant, expected one: name it by --deployment and --workload; the file has "
            f"{names}"
        )
    return found[0]


def hold(recommendation: Recommendation, wait: Callable[[], None]) -> None:
    """Set the recommended point, wait, and undo it; ClockControlError where it may not or could not be set."""
    with locked_clocks(recommendation.point, recommendation.gpus_of_role) as held:
        if held.applied.state != "applied":
            raise ClockControlError(
                f"{recommendation.point.id}: {held.applied.state}: {held.applied.reason}; nothing was changed; "
                f"python -m llmdvfs doctor says what this machine allows"
            )
        print(f"holding {recommendation.point.id}: {'; '.join(recommendation.apply)}; Ctrl-C undoes it", flush=True)
        wait()
