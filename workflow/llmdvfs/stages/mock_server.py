"""`mock-server`: serves tokens at known times, and logs when each one went out."""

import argparse
import os
import signal
from pathlib import Path
from types import FrameType

from llmdvfs.host.child import set_parent_death_signal
from llmdvfs.load.own_error.mock_server import MockServer
from llmdvfs.records.store import write_lines
from llmdvfs.stages.numbers import count, not_below_zero, port


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--port", type=port, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--ttft-s", type=not_below_zero, default=0.05, help="time to the first token, at least")
    parser.add_argument("--gap-s", type=not_below_zero, default=0.01, help="time between two tokens of a stream")
    parser.add_argument("--tokens-per-step", type=count, default=1, help="tokens that a stream gets at once")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    parser.add_argument("--log", type=Path, help="file for the send log, written when the server is ended by SIGTERM")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, then write the log."""
    server = MockServer(ttft_s=args.ttft_s, gap_s=args.gap_s, tokens_per_step=args.tokens_per_step, port=args.port)

    def stop(number: int, frame: FrameType | None) -> None:
        server.stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if args.with_parent:
        set_parent_death_signal(signal.SIGTERM, os.getppid())
    print(f"listening on http://127.0.0.1:{server.port}", flush=True)
    server.serve()
    if args.log is not None:
        write_lines(args.log, server.log)
    return 0
