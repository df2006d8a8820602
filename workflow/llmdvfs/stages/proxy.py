"""`proxy`: runs the proxy of a deployment."""

import argparse
from pathlib import Path

from llmdvfs.records.store import read_record
from llmdvfs.serving.proxy.plan import ProxyPlan
from llmdvfs.serving.proxy.server import serve
from llmdvfs.stages.numbers import port


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--plan", type=Path, required=True, help="JSON file: instances, connector, policy")
    parser.add_argument("--log", type=Path, required=True, help="takes one line of stamps a request")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port, required=True)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    serve(read_record(args.plan, ProxyPlan), args.log, args.host, args.port)
    return 0
