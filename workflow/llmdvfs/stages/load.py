"""`load`: runs one load, in a process of its own so that nothing shares the client's interpreter."""

import argparse
import signal
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.host.child import set_parent_death_signal
from llmdvfs.load.run import run_load, run_load_until_told
from llmdvfs.records.api_key import api_key
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.store import read_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("spec", type=Path, help="load_spec.json: workload, endpoint, seeds and output folder")
    parser.add_argument("--parent", type=int, help="process that this one ends with (default: none)")


def run(args: argparse.Namespace) -> int:
    """Run the load and print its outcomes."""
    if args.parent is not None:
        set_parent_death_signal(signal.SIGKILL, args.parent)
    spec = read_record(args.spec, LoadSpec)
    if spec.until_told:
        print(f"{run_load_until_told(spec.workload, **_arguments(spec))} requests ended")
        return 0
    report = run_load(spec.workload, **_arguments(spec))
    print(", ".join(f"{num} {outcome}" for outcome, num in sorted(report.outcomes.items())) or "no request")
    return 0


def _arguments(spec: LoadSpec) -> dict[str, Any]:
    return {
        "base_url": spec.base_url,
        "model": spec.model,
        "tokenizer_folder": Path(spec.tokenizer_folder) if spec.tokenizer_folder else None,
        "seed_prompts": spec.seed_prompts,
        "seed_arrivals": spec.seed_arrivals,
        "folder": Path(spec.folder),
        "api_key": _api_key(spec.api_key_env),
    }


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if (key := api_key(variable)) is None:
        raise ConfigError(f"environment variable {variable} is empty; it should hold the key of the endpoint")
    return key
