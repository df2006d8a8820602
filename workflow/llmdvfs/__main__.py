"""`python -m llmdvfs COMMAND`: the only door to the library."""

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from llmdvfs import __version__
from llmdvfs.errors import LlmDvfsError, input_boundary, told_of

COMMANDS = {
    "model": "write the model that a configuration names",
    "start-server": "resolve how a deployment will be started (nothing runs yet)",
    "benchmark": "measure the cells of one launch",
    "monitor-merge": "put requests, telemetry and proxy stamps of a cell on one time axis",
    "analyze": "turn a cell's timeline into its result",
    "figures": "draw the figures of a cell, a deployment or the comparison",
    "phase-files": "write a deployment's results under the file names of the original system",
    "compare": "compare the results of many cells, or two results folders",
    "show": "show any record of a results folder in words",
    "answer": "say which clocks: every operating point against stock, and which to set",
    "search": "search the clocks of lowest energy: measure round by round, then confirm what was found",
    "sequential": "add launches until the intervals of a comparison are narrow enough",
    "reproduce": "measure one stored cell again, and test whether both are equal within a margin",
    "explain": "say in plain words which clocks to set and why, from answers.json",
    "fleet": "say what a fleet takes at a demand: GPUs, energy, cost and CO2 at stock and at the recommended clocks",
    "clocks": "show the GPUs' clocks and limits and their changes, hold a recommendation, bring GPUs back",
    "summary": "print the comparison as a short table",
    "report": "write one page that opens offline: verdict, tables, curves, gates, machine, commands",
    "plan": "say before a run what a study takes: cells, GPU hours, time, energy, room; refuse it over its budget",
    "crate": "describe a results folder for archives, as an RO-Crate",
    "doctor": "look at this machine before a run: what would stop or spoil the study",
    "monitor": "watch GPUs (or the CPU) and record them, without a workflow",
    "lens": "print a run's numbers as other benchmarks define them",
    "export": "write a run in another benchmark's file layout",
    "forget": "set finished measurements aside, so that they are measured again",
    "migrate": "take over measurements that an older version of this program made",
    "merge-results": "take measurements of other machines into a results folder; nothing is overwritten",
    "unlock": "remove the lock that a killed Snakemake left in this folder",
    "load": "run one load against one endpoint (used by benchmark)",
    "agent": "start and watch instances on this host for a run on another one (used by benchmark)",
    "guard": "run one server and end all of its processes with it (used by benchmark)",
    "proxy": "run the proxy (used by benchmark)",
    "mock-server": "serve tokens at known times, to calibrate a client",
    "schemas": "write the JSON schemas of all result files",
    "measuring": "write which code measures, beside its version (for developers)",
    "config-docs": "write config/README.md from the configuration's schema",
}
"""Command -> what it does; its module is `llmdvfs.commands.` plus the command with underscores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an expected error is one message on standard error and exit code 1."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no `±` shows a `?`
    try:
        return _run(_options(arguments))
    except KeyboardInterrupt:  # also while a command is still being imported
        print(f"llmdvfs {' '.join(arguments[:1])}: interrupted", file=sys.stderr)
        return 130


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="llmdvfs", description="Power, energy and latency of LLM serving.")
    parser.add_argument("--version", action="version", version=f"llm-dvfs {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, description in COMMANDS.items():
        command = commands.add_parser(name, help=description, description=f"{name}: {description}.")
        if arguments[:1] == [name]:  # import only the stage that runs: the load client must start fast
            stage = importlib.import_module(f"llmdvfs.commands.{name.replace('-', '_')}")
            stage.add_arguments(command)
            command.set_defaults(run=stage.run)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    try:
        with input_boundary(_inputs(options)):
            code = int(options.run(options))
            if sys.stdout is not None:  # as with `>&-`
                sys.stdout.flush()  # here, where it is known what to do about a reader who has gone
        return code
    except LlmDvfsError as error:
        print(f"llmdvfs {options.command}: {error}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone, as `| head` has: no news
        return 128 + signal.SIGPIPE
    except OSError as error:
        print(f"llmdvfs {options.command}: {told_of(error)}", file=sys.stderr)
    return 1


def _inputs(options: argparse.Namespace) -> str:
    """Return the paths that a command was given, in words; none: its name."""
    given = [value if isinstance(value, list) else [value] for value in vars(options).values()]
    paths = [str(value) for values in given for value in values if isinstance(value, Path)]
    return ", ".join(paths) or str(options.command)


if __name__ == "__main__":
    sys.exit(main())
