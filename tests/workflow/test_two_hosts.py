"""A whole cell over two hosts, as network namespaces: measured with their clocks, and ended when their link is cut.

Engines are scripted; real ones are in tests/real/test_two_hosts.py.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.namespaces import TwoHosts, two_hosts, why_no_namespaces
from fakes.spread_study import AHEAD_S, SpreadStudy
from fakes.vllm_server import python_with_fake_vllm

from llmdvfs.analysis.axis.merge import merge
from llmdvfs.analysis.cell import analyze_cell
from llmdvfs.records.places import RAW
from llmdvfs.records.raw import read_raw

CAP_MBIT_PER_S = 100
LIMIT_S = 240.0
WORKLOAD = {
    "prompts": {"source": "random", "prompt_tokens": 64, "output_tokens": 16},
    "arrival": {"kind": "closed", "concurrency": 2},
    "num_warmup_requests": 1,
}


@pytest.fixture
def namespaces(request: pytest.FixtureRequest) -> Iterator[TwoHosts]:
    """Two hosts, by a link that a test's parameters may make long."""
    link = getattr(request, "param", {})
    if (why := why_no_namespaces(is_long=bool(link))) is not None:
        pytest.skip(why)
    with two_hosts(**link) as hosts:
        yield hosts


@pytest.fixture
def study(namespaces: TwoHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpreadStudy:
    monkeypatch.setenv("FAKE_VLLM", str(tmp_path))
    return SpreadStudy(tmp_path, namespaces, python_with_fake_vllm(tmp_path))


def test_a_cell_over_two_hosts_is_on_one_axis(study: SpreadStudy) -> None:
    """The other host's clock is 5000 s ahead; its readings lie inside the cell all the same."""
    study.namespaces.cap(CAP_MBIT_PER_S)
    job = study.start(study.config(WORKLOAD | {"duration_s": 3}))
    told, _ = job.communicate(timeout=LIMIT_S)
    assert job.returncode == 0, told
    cell = read_raw(study.cell / RAW)
    n0, n1 = cell.run.hosts
    assert n0.clock is not None
    assert n1.clock is not None
    assert abs(n0.clock.offset_ns) <= n0.clock.bound_ns
    assert abs(n1.clock.offset_ns - AHEAD_S * 10**9) <= n1.clock.bound_ns
    theirs = cell.readings.of("n1/cpu")
    assert len(theirs) > 20
    assert cell.run.started_mono_ns - 10**9 < theirs.begin_mono_ns.min()
    assert theirs.begin_mono_ns.max() < cell.run.load_end_mono_ns + 60 * 10**9
    (path,) = cell.run.host_paths
    assert path.rate_bytes_per_s == pytest.approx(CAP_MBIT_PER_S * 1e6 / 8, rel=0.1)
    assert cell.run.kv_network is not None
    assert cell.run.kv_network.is_measured
    result = analyze_cell(cell, merge(cell)[0], limits={}, seed=1)
    assert {device.device_id: device.role for device in result.energy.devices} == {
        "cpu": None,
        "n0/cpu": "prefill",
        "n1/cpu": "decode",
    } | {device.device_id: device.role for device in result.energy.devices if "rapl" in device.device_id}
    assert result.transfer is not None
    assert result.transfer.link is not None
    assert result.transfer.link.is_measured
    assert list(study.there.iterdir()) == []


@pytest.mark.parametrize("namespaces", [{"delay_s": 0.02, "loss_fraction": 0.01}], indirect=True)
def test_a_cell_over_a_long_link_that_loses_packets(study: SpreadStudy) -> None:
    """20 ms each way and 1 % of packets lost: TCP sends them again, nobody is taken for dead, the record says 40 ms."""
    job = study.start(study.config(WORKLOAD | {"duration_s": 3}))
    told, _ = job.communicate(timeout=LIMIT_S)
    assert job.returncode == 0, told
    cell = read_raw(study.cell / RAW)
    (path,) = cell.run.host_paths
    assert 0.04 <= path.round_trip_s < 0.12
    assert cell.requests
    assert {request.outcome for request in cell.requests} == {"ok"}


def test_a_cut_link_ends_the_cell_within_ten_seconds_by_name(study: SpreadStudy) -> None:
    """Its agent still answers through its pipe: it is the network that is dead, and engines would wait for ever."""
    job = study.start(study.config(WORKLOAD | {"duration_s": 120}))
    assert wait_until(lambda: (study.folder / "loaded").exists() or job.poll() is not None, LIMIT_S)
    assert job.poll() is None
    study.namespaces.cut()
    cut_s = time.monotonic()
    log = study.folder / "benchmark.log"
    assert wait_until(lambda: " died under load: nothing has come over it for 5" in log.read_text(), 60)
    assert time.monotonic() - cut_s < 10
    told, _ = job.communicate(timeout=LIMIT_S)
    assert job.returncode == 1
    assert any(f"link {which} died under load" in told for which in ("to n1", "n0 - n1")), told
    assert list(study.there.iterdir()) == []
    left = subprocess.run(["ip", "netns", "pids", study.namespaces.there], capture_output=True, text=True, check=True)
    assert left.stdout == ""


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()
