#!/usr/bin/env bash
# zeus 0.16.0: what its own client says to the daemon zeusd. The stand-in of the tests (tests/fakes/zeusd.py) answers it, and
# the questions are those that llmdvfs/telemetry/setters/zeusd.py asks.
#
# Seen (2026-11-27, Python 3.11): the client discovers two GPUs, may control them, and its five calls are asked as below.
# Needs: python3 >= 3.11, pip. Exits 1 when the protocol is another one.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install --no-deps zeus==0.16.0
"$work/venv/bin/pip" --quiet --disable-pip-version-check install httpx
PYTHONPATH="$checkout/tests" "$work/venv/bin/python" - "$work/zeusd.sock" <<'PYTHON'
import sys
from pathlib import Path

from fakes.zeusd import FakeZeusd
from zeus.utils.zeusd import ZeusdClient, ZeusdConfig

path = Path(sys.argv[1])
daemon = FakeZeusd(["Fake H200", "Fake H200"], lambda call, index, values: None)
with daemon.listening(path):
    client = ZeusdClient(ZeusdConfig.uds(str(path)))
    assert (client.gpu_ids, client.can_control_gpu) == ([0, 1], True)
    client.set_gpu_locked_clocks([1], 510, 1005)
    client.set_mem_locked_clocks([1], 2201, 2201)
    client.set_power_limit([1], 300_000)
    client.reset_gpu_locked_clocks([1])
    client.reset_mem_locked_clocks([1])
expected = [
    ("/gpu/set_gpu_locked_clocks", {"gpu_ids": "1", "min_clock_mhz": "510", "max_clock_mhz": "1005", "block": "true"}),
    ("/gpu/set_mem_locked_clocks", {"gpu_ids": "1", "min_clock_mhz": "2201", "max_clock_mhz": "2201", "block": "true"}),
    ("/gpu/set_power_limit", {"gpu_ids": "1", "power_limit_mw": "300000", "block": "true"}),
    ("/gpu/reset_gpu_locked_clocks", {"gpu_ids": "1", "block": "true"}),
    ("/gpu/reset_mem_locked_clocks", {"gpu_ids": "1", "block": "true"}),
]
for path, question in daemon.asked:
    print(path, question)
sys.exit(0 if daemon.asked == expected else 1)
PYTHON
