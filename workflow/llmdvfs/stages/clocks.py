"""`clocks`: show the GPUs' clocks and limits, hold a recommendation, bring GPUs back, show what was changed."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from llmdvfs.errors import ClockControlError, ConfigError, GpusNotRestored
from llmdvfs.host.lock import holder_of, lock_folder
from llmdvfs.records.answers import Recommendation, RecommendedClocks
from llmdvfs.records.store import read_record
from llmdvfs.serving.lifetime import is_alive
from llmdvfs.stages.numbers import count, whole_number
from llmdvfs.telemetry.change_log import Change, ChangeLog
from llmdvfs.telemetry.clocks import HeldPoint, locked_clocks
from llmdvfs.telemetry.factory import restore_factory
from llmdvfs.telemetry.held_record import lock_path, record_path
from llmdvfs.telemetry.leftover import restore_leftovers
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus

CHECK_INTERVAL_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("status", help="show core and memory clock and power limit of every GPU, and who holds them")
    apply = commands.add_parser("apply", help="hold a recommendation until interrupted, then undo it")
    apply.add_argument("file", type=Path, help="recommended_clocks.json")
    apply.add_argument("--deployment", help="whose recommendation, where the file has several")
    apply.add_argument("--workload", help="for which load, where the file has several")
    restore = commands.add_parser("restore", help="take back what a killed run has left on the GPUs")
    restore.add_argument("--gpu", type=whole_number, action="append", help="this GPU only; may be repeated")
    restore.add_argument("--all", action="store_true", help="also what others have set: no locks, default limits")
    restore.add_argument("--yes", action="store_true", help="with --all: really do so")
    log = commands.add_parser("log", help="show every change of clocks and limits on this host")
    log.add_argument("--last", type=count, default=50, metavar="N", help="the newest N (50)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for: show, hold or bring back."""
    if options.what == "status":
        print("\n".join(status_lines()))
    elif options.what == "restore":
        for line in restore(options.gpu, everything=options.all, confirmed=options.yes):
            print(line, flush=True)
    elif options.what == "log":
        changes = ChangeLog(lock_folder()).changes()[-options.last :]
        print("\n".join(map(_in_a_line, changes)) or f"nothing was changed, as far as {lock_folder()} tells")
    else:
        record = read_record(options.file, RecommendedClocks)
        refuse_modelled(record, options.file)
        hold(one_of(record, options.deployment, options.workload), until_interrupted)
    return 0


def status_lines() -> list[str]:
    """Return a line for each GPU: its clocks and limits, and who has set them."""
    gpus = [NvmlGpu(index) for index in range(num_gpus())]
    return [
        f"GPU {gpu.index} {gpu.name()}: core {gpu.sm_clock_mhz():.0f} MHz, memory {gpu.memory_clock_mhz():.0f} MHz, "
        f"limit {gpu.power_limit_w():.0f} W (default {gpu.default_power_limit_w():.0f} W){_who_has_set_it(gpu)}"
        for gpu in gpus
    ]


def _who_has_set_it(gpu: NvmlGpu) -> str:
    folder, uuid = lock_folder(), gpu.uuid()
    if not record_path(uuid, folder).exists():
        return ""
    holder = holder_of(lock_path(uuid, folder))
    number = holder.removeprefix("process ")
    if not number.isdigit():  # its lock is another user's, who alone may write the number there
        return "; set by another run of this project, which holds it or has left it so (clocks restore tells)"
    if is_alive(int(number)):
        return f"; held by {holder}"
    return "; left so by a run that is gone: python -m llmdvfs clocks restore"


def restore(indices: Sequence[int] | None, *, everything: bool, confirmed: bool) -> Iterator[str]:
    """Bring GPUs back, yielding in words what was done; one that does not come back spares none of the others.

    indices: NVML's, None: all GPUs. everything: also settings that others have made; ConfigError unless `confirmed`.
    """
    known = range(num_gpus())
    for index in indices or ():
        if index not in known:
            raise ConfigError(f"--gpu {index}: expected one of {', '.join(map(str, known)) or 'none: there is no GPU'}")
    if everything and not confirmed:
        raise ConfigError(
            "--all lifts every lock and sets default power limits, also those that somebody else wants; expected --yes "
            "beside it: look at `python -m llmdvfs clocks status` first"
        )
    folder, problems = lock_folder(), []
    for index in known if indices is None else indices:
        try:
            gpu = NvmlGpu(index)
            if everything:
                yield f"GPU {index}: reset: {', '.join(restore_factory(gpu, folder))}"
            else:
                yield f"GPU {index}: {'taken back' if restore_leftovers(gpu, folder) else 'nothing was left'}"
        except (ClockControlError, NvmlError) as error:
            problems.append(f"GPU {index}: {error}")
    if problems:
        raise GpusNotRestored("; ".join(problems))


def _in_a_line(change: Change) -> str:
    when = datetime.fromtimestamp(change.unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    who = f"{change.user} (process {change.pid})"
    what = f"GPU {change.gpu} {change.what}: {change.before} -> {change.after}"
    return f"{when} {who} {what}, {change.how}: {change.result}"


def one_of(record: RecommendedClocks, deployment: str | None, workload: str | None) -> Recommendation:
    """Return the one recommendation that fits both names; ConfigError lists them where none or several fit."""
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


def refuse_modelled(record: RecommendedClocks, file: Path) -> None:
    """Raise ConfigError where the recommendation was made on a GPU that is a formula."""
    if record.modelled:
        raise ConfigError(
            f"{file}: made on {', '.join(record.validity.gpus) or 'a modelled GPU'}, expected a measured one: a "
            "modelled recommendation says nothing of any real GPU; nothing was changed; measure this machine's own"
        )


def hold(recommendation: Recommendation, wait: Callable[[HeldPoint], None]) -> None:
    """Set the recommended point, call `wait`, and undo it; ClockControlError where it could not be set."""
    with locked_clocks(recommendation.point, recommendation.gpus_of_role) as held:
        if held.applied.state != "applied":
            raise ClockControlError(
                f"{recommendation.point.id}: {held.applied.state}: {held.applied.reason}; nothing was changed; "
                f"python -m llmdvfs doctor says what this machine allows"
            )
        print(f"holding {recommendation.point.id}: {'; '.join(recommendation.apply)}; Ctrl-C undoes it", flush=True)
        wait(held)


def until_interrupted(held: HeldPoint) -> None:
    """Wait for Ctrl-C while the point stays watched over; ClockControlError where it no longer is."""
    while True:
        held.check()
        time.sleep(CHECK_INTERVAL_S)
