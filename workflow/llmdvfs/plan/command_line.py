"""The study that a command is about, named as for Snakemake: by `--configfile` and `--config`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from llmdvfs.errors import ConfigError
from llmdvfs.plan.config_file import read_config_file

DEFAULT = Path("config/config.yaml")


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that name a study."""
    parser.add_argument("--configfile", "--configfiles", type=Path, nargs="+", default=[DEFAULT], help="study files")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="top-level keys, as of snakemake")


def given_configuration(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the files and the command line give, as nested dictionaries, not yet checked or completed.

    Raises ConfigError for a file that cannot be read and for an argument that is no KEY=VALUE.
    """
    given: dict[str, Any] = {}
    for path in options.configfile:
        given = _merged(given, read_config_file(path))
    return _merged(given, dict(map(_pair, options.config)))


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
