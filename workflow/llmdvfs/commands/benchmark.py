"""`benchmark`: from launch.json and the launch's missing cells to the raw folder of each cell."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from llmdvfs.benchmark.failed import record_failures
from llmdvfs.benchmark.launch import measure_launch
from llmdvfs.commands.numbers import whole_number
from llmdvfs.errors import GpusNotRestored, LlmDvfsError, told_of
from llmdvfs.records.job import LaunchJob, LaunchRecord
from llmdvfs.records.store import read_record
from llmdvfs.serving.lifetime import become_subreaper_with_parent_death_signal, end_descendants

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--launch", type=Path, required=True, help="launch.json of the deployment")
    parser.add_argument("--job", type=Path, required=True, help="the launch's missing cells, as a JSON file")
    parser.add_argument("--results", type=Path, required=True, help="results folder")
    parser.add_argument("--log", type=Path, required=True, help="takes what is also shown")
    parser.add_argument("--parent", type=whole_number, help="process that this one ends with (default: its parent)")


def run(options: argparse.Namespace) -> int:
    """Measure one launch; return 0, or 1 where it failed.

    SIGINT, SIGTERM and SIGHUP end it in order, servers first; SIGTERM also comes when Snakemake dies.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has SIGHUP ignored: leave that so
            signal.signal(number, _interrupt)
    become_subreaper_with_parent_death_signal(options.parent)
    _begin_log(options.log)
    launch, job = read_record(options.launch, LaunchRecord), read_record(options.job, LaunchJob)
    try:
        measure_launch(launch, job, options.results)
    except LlmDvfsError as error:
        logging.error("%s", error)
        if isinstance(error, GpusNotRestored) or not job.tolerate_failures:
            return 1  # on a GPU that is not as it was found, nothing that follows could be believed
        record_failures(launch.deployment.id, job, options.results, error)
    except OSError as error:
        logging.error("%s", told_of(error))
        return 1
    except Exception:
        logging.exception("benchmark: an error that should not happen; what was measured is kept")
        return 1
    finally:
        end_descendants()  # orphans of killed guards come back to this process
    return 0


def _interrupt(number: int, frame: object) -> None:
    for further in ENDING:
        signal.signal(further, _take_no_notice)
    raise KeyboardInterrupt


def _take_no_notice(number: int, frame: object) -> None:
    """Ignore a further signal to end: hurrying would leave clocks and folders half brought back.

    Not SIG_IGN: Python shows a traceback for a signal that came just before it was set.
    """


def _begin_log(path: Path) -> None:
    """Show and write down what happens; where nothing more can be written, it is still shown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.raiseExceptions = False  # else each line that a full disk or a closed terminal refuses brings a traceback
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.StreamHandler(sys.stdout), logging.FileHandler(path, mode="w")],
    )
