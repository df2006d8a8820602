"""`agent`: starts and watches a deployment's instances on this host, for a run on another one."""

import argparse
import os
import sys
from pathlib import Path

from llmdvfs.hosts.agent import serve
from llmdvfs.hosts.agent_work import AgentWork
from llmdvfs.serving.lifetime import become_subreaper_with_parent_death_signal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--address", required=True, help="address of this host at which the other hosts reach it")
    parser.add_argument("--folder", type=Path, help="where the agent's own folder is made (default: the temporary one)")


def run(options: argparse.Namespace) -> int:
    """Answer requests on standard input until it ends."""
    become_subreaper_with_parent_death_signal()
    requests, answers = os.dup(0), os.dup(1)
    # Whatever prints or reads from here on, a library or a child, does not come between the messages.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(AgentWork(options.address, options.folder, _say), requests, answers)
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
