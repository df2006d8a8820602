"""An endpoint on GPUs of a host that one may not enter: a cell with energies from a scripted dcgm-exporter."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from workflow.conftest import copy_checkout, study

from llmdvfs.records.result import CellResult
from llmdvfs.records.store import read_record

POWER_W = 300
PAGE = """# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{gpu="3",UUID="GPU-3",modelName="NVIDIA H100",Hostname="any"}} {energy_mj}
"""
REFRESH_S = 3


class _Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        refreshed_s = time.monotonic() // REFRESH_S * REFRESH_S
        content = PAGE.format(energy_mj=round(POWER_W * 1000 * refreshed_s)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *of: object) -> None:
        """Say nothing."""


@pytest.fixture
def exporter() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Exporter)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()


def test_a_cell_has_the_energy_that_an_exporter_tells_and_no_phases(
    tmp_path: Path, endpoint: str, exporter: str
) -> None:
    """300 W, refreshed every 3 s, in a window of some 20 s: each edge is known to a second of scraping."""
    checkout = copy_checkout(tmp_path, endpoint)
    given = study(endpoint)
    load = given["workloads"]["first"] | {"num_requests": None, "duration_s": 20}  # type: ignore[index]
    serving = {"base_url": endpoint, "exporters": [{"name": "node7", "url": exporter, "gpus": [3]}]}
    small = given | {"workloads": {"first": load}, "serving": serving}
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(small))
    run = checkout.snakemake("analysed")
    assert run.returncode == 0, run.stdout + run.stderr
    [cell] = (tmp_path / "results" / "cells").glob("*/first/stock/launch-1")
    result = read_record(cell / "result.json", CellResult)
    energy = result.energy
    assert energy.source == "nvml_counter"
    window_s = result.window.end_s - result.window.begin_s
    assert energy.gross_j == pytest.approx(POWER_W * window_s, rel=2 / window_s)
    assert energy.by_role_j == {"single": energy.gross_j}
    assert {phase.energy_j.value for phase in energy.phases} <= {None}
    assert "node7/gpu3" in {device.device_id for device in energy.devices}
