"""`doctor`: configuration and machine -> what would stop or spoil the study. Nothing is started or changed."""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from llmdvfs.doctor.examine import examine
from llmdvfs.errors import ConfigError
from llmdvfs.plan.config_file import read_config_file
from llmdvfs.records.doctor import Check, DoctorRecord
from llmdvfs.records.store import to_json

DEFAULT = Path("config/config.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, those of the study as Snakemake has them."""
    parser.add_argument("--configfile", "--configfiles", type=Path, nargs="+", default=[DEFAULT], help="study files")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="top-level keys, as of snakemake")
    parser.add_argument("--json", action="store_true", help="print a record in place of the table")


def run(options: argparse.Namespace) -> int:
    """Print every check; 1 where something stops the study."""
    given: dict[str, Any] = {}
    for path in options.configfile:
        given = _merged(given, read_config_file(path))
    given = _merged(given, dict(map(_pair, options.config)))
    record = DoctorRecord(" ".join(map(str, options.configfile)), tuple(examine(given)))
    print(json.dumps(to_json(record), indent=1) if options.json else _table(record))
    return 1 if record.num_problems else 0


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, the upper one winning wherever both have a value that is no mapping, as Snakemake merges files."""
    both = {key: (lower[key], upper[key]) for key in upper if key in lower}
    merged = {k: _merged(a, b) for k, (a, b) in both.items() if isinstance(a, Mapping) and isinstance(b, Mapping)}
    return {**lower, **upper, **merged}


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--config {text}: expected KEY=VALUE, as in launches=5")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"--config {text}: the value cannot be read ({error}); expected YAML, as in launches=5"
        ) from error


def _table(record: DoctorRecord) -> str:
    width = max(len(check.name) for check in record.checks)
    lines = [line for check in record.checks for line in _lines(check, width)]
    num_warnings = sum(check.status == "warning" for check in record.checks)
    problems, warnings = f"{record.num_problems} problems", f"{num_warnings} warnings"
    stops = f"{problems} stop this study" if record.num_problems else "nothing stops this study"
    return "\n".join([*lines, "", f"{record.configuration}: {stops}; {warnings}"])


def _lines(check: Check, width: int) -> Iterable[str]:
    first, *rest = check.seen.splitlines()
    yield f"{check.status:7}  {check.name:{width}}  {first}"
    indent = " " * (width + 11)
    yield from (f"{indent}{line.strip()}" for line in rest)
    if check.advice:
        yield f"{indent}-> {check.advice}"
