"""`doctor`: from a configuration and this machine to what would stop or spoil the study.

Nothing is started or changed.
"""

import argparse
import json
from collections.abc import Iterable

from llmdvfs.doctor.examine import examine
from llmdvfs.plan.command_line import add_study_arguments, given_configuration
from llmdvfs.records.doctor import Check, DoctorRecord
from llmdvfs.records.store import to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, those of the study as Snakemake has them."""
    add_study_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a record in place of the table")


def run(options: argparse.Namespace) -> int:
    """Print every check; return 1 where one of them stops the study, else 0."""
    checks = tuple(examine(given_configuration(options)))
    record = DoctorRecord(" ".join(map(str, options.configfile)), checks)
    print(json.dumps(to_json(record), indent=1) if options.json else _table(record))
    return 1 if record.num_problems else 0


def _table(record: DoctorRecord) -> str:
    width = max(len(check.name) for check in record.checks)
    lines = [line for check in record.checks for line in _lines(check, width)]
    num_warnings = sum(check.status == "warning" for check in record.checks)
    problems = "1 problem stops" if record.num_problems == 1 else f"{record.num_problems} problems stop"
    stops = f"{problems if record.num_problems else 'nothing stops'} this study"
    warnings = "1 warning" if num_warnings == 1 else f"{num_warnings} warnings"
    return "\n".join([*lines, "", f"{record.configuration}: {stops}; {warnings}"])


def _lines(check: Check, width: int) -> Iterable[str]:
    first, *rest = check.seen.splitlines()
    yield f"{check.status:7}  {check.name:{width}}  {first}"
    indent = " " * (width + 11)
    yield from (f"{indent}{line.strip()}" for line in rest)
    if check.advice:
        yield f"{indent}-> {check.advice}"
