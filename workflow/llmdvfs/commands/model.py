"""`model`: writes a model that can be generated (tiny, or a known shape with dummy weights)."""

import argparse
from pathlib import Path

from llmdvfs.models.resolve import resolve_model
from llmdvfs.records.spec import ModelSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--cache", type=Path, required=True, help="folder that generated models lie in")
    parser.add_argument("--shape", help="a known shape, e.g. qwen3-8b; without it the tiny model is written")


def run(args: argparse.Namespace) -> int:
    """Write the model and print the path of its folder."""
    spec = ModelSpec(args.shape, "shape", args.shape) if args.shape else ModelSpec("tiny", "tiny", "")
    print(resolve_model(spec, args.cache))
    return 0
