"""`benchmark`: launch.json and the launch's missing cells -> their raw folders."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from llmdvfs.benchmark.failed import record_failures
from llmdvfs.benchmark.launch import measure_launch
from llmdvfs.benchmark.one_start import set_aside_other_starts
from llmdvfs.errors import LlmDvfsError
from llmdvfs.records.job import LaunchJob, LaunchRecord
from llmdvfs.records.store import from_json, read_record
from llmdvfs.serving.lifetime import become_subreaper_with_parent_death_signal, end_descendants


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--launch", type=Path, required=True, help="launch.json of the deployment")
    parser.add_argument("--job", required=True, help="the launch's missing cells, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="results folder")
    parser.add_argument("--log", type=Path, required=True, help="takes what is also shown")


def run(options: argparse.Namespace) -> int:
    """Measure one launch; SIGTERM (also sent when Snakemake dies) ends it in order, servers first."""
    signal.signal(signal.SIGTERM, _interrupt)
    become_subreaper_with_parent_death_signal()
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.StreamHandler(sys.stdout), logging.FileHandler(options.log, mode="w")],
    )
    launch, job = read_record(options.launch, LaunchRecord), from_json(options.job, LaunchJob)
    try:
        if job.one_start:
            set_aside_other_starts(job, options.results)
        measure_launch(launch, job, options.results)
    except LlmDvfsError as error:
        logging.error("%s", error)
        if not job.tolerate_failures:
            return 1
        record_failures(launch.deployment.id, job, options.results, error)
    except Exception:
        logging.exception("benchmark: an error that should not happen; what was measured is kept")
        return 1
    finally:
        end_descendants()  # orphans of killed guards come back to this process
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
