"""`start-server`: from a deployment to launch.json; nothing is started yet."""

import argparse
from pathlib import Path

from llmdvfs.records.spec import DeploymentSpec
from llmdvfs.records.store import from_json, write_record
from llmdvfs.serving.planned import plan_launch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--deployment", required=True, help="the deployment, as JSON")
    parser.add_argument("--models", type=Path, required=True, help="folder of generated models")
    parser.add_argument("--output", type=Path, required=True, help="launch.json to write")


def run(options: argparse.Namespace) -> int:
    """Resolve one deployment and write its launch.json."""
    deployment = from_json(options.deployment, DeploymentSpec)
    write_record(options.output, plan_launch(deployment, options.models))
    return 0
