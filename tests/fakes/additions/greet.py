"""A command: `python -m llmdvfs greet NAME`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name")


def run(options: argparse.Namespace) -> int:
    """Greet."""
    print(f"hello {options.name}")
    return 0
