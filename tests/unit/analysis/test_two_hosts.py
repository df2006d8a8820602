"""The golden cell, measured on two H100, told as if each GPU were on a host of its own whose clock is hours ahead."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from llmdvfs.analysis.axis.clock_bound import shortest_phase_s
from llmdvfs.analysis.axis.merge import merge
from llmdvfs.analysis.axis.occupancy import Occupancy
from llmdvfs.analysis.cell import analyze_cell
from llmdvfs.records import raw
from llmdvfs.records.device_id import on_host
from llmdvfs.records.host_files import telemetry_of, telemetry_report_of
from llmdvfs.records.hosts import ClockLine, HostRecord
from llmdvfs.records.raw import RawCell, read_raw
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record, write_record

GOLDEN = Path(__file__).parents[2] / "golden" / "disaggregated_small" / "raw"
AHEAD_NS = 5000 * 10**9


def spread(folder: Path, bound_ns: float) -> RawCell:
    """Return the golden cell with the GPU of each instance on host n0, n1, whose clock is known to bound_ns."""
    shutil.copytree(GOLDEN, folder, dirs_exist_ok=True)
    run = read_record(folder / raw.RUN, RunRecord)
    header, *lines = (folder / raw.TELEMETRY).read_bytes().splitlines()
    told = orjson.loads(header)
    instances, hosts, moved = [], [], set()
    for number, instance in enumerate(run.server_start.instances):
        name, (device,) = f"n{number}", instance.device_ids
        moved.add(device)
        own = [reading for reading in map(orjson.loads, lines) if reading["d"] == device]
        theirs = told | {"devices": [known for known in told["devices"] if known["device_id"] == device]}
        ahead = [reading | {"b": reading["b"] + AHEAD_NS, "e": reading["e"] + AHEAD_NS} for reading in own]
        content = b"\n".join(map(orjson.dumps, [theirs, *ahead])) + b"\n"
        (folder / telemetry_of(name)).write_bytes(content)
        shutil.copy(folder / raw.TELEMETRY_REPORT, folder / telemetry_report_of(name))
        instances.append(replace(instance, device_ids=(on_host(name, device),)))
        clock = ClockLine(run.started_mono_ns, AHEAD_NS, 0.0, bound_ns, 100, 100_000)
        hosts.append(HostRecord(name, "10.0.0.1", {}, clock))
    left = [line for line in lines if orjson.loads(line)["d"] not in moved]
    devices = [known for known in told["devices"] if known["device_id"] not in moved]
    content = b"\n".join([orjson.dumps(told | {"devices": devices}), *left]) + b"\n"
    (folder / raw.TELEMETRY).write_bytes(content)
    start = replace(run.server_start, instances=tuple(instances))
    write_record(folder / raw.RUN, replace(run, server_start=start, hosts=tuple(hosts), checksums=None))
    return read_raw(folder)


def result(cell: RawCell) -> CellResult:
    phases, _ = merge(cell)
    return analyze_cell(cell, phases, limits={}, seed=1)


@pytest.fixture(scope="module")
def one_host() -> CellResult:
    return result(read_raw(GOLDEN))


def test_hosts_with_known_clocks_give_the_energies_of_one_host(one_host: CellResult, tmp_path: Path) -> None:
    found = result(spread(tmp_path, bound_ns=100_000)).energy
    assert found.by_role_j == pytest.approx(one_host.energy.by_role_j)
    assert found.gross_j == pytest.approx(one_host.energy.gross_j)
    assert found.phases == one_host.energy.phases
    names = {device.device_id for device in found.devices if device.role is not None}
    assert names == {"n0/gpu0", "n1/gpu1"}


def test_a_bound_that_cannot_carry_the_phases_leaves_them_null(one_host: CellResult, tmp_path: Path) -> None:
    """Known to a second: whole windows are as good as before, and nobody can say which phase a reading fell into."""
    cell = spread(tmp_path, bound_ns=1e9)
    phases, timeline = merge(cell)
    assert phases.clock_untold.keys() == {"prefill", "decode"}
    assert set(timeline["phase"][timeline["role"] == "prefill"]) == {""}
    found = analyze_cell(cell, phases, limits={}, seed=1)
    assert found.energy.by_role_j == pytest.approx(one_host.energy.by_role_j)
    assert found.energy.phases
    for phase in found.energy.phases:
        assert phase.energy_j.value is None
        assert (phase.energy_j.reason or "").startswith("not identifiable: the clock of n")
    assert found.energy.fine == ()
    assert any("the clock of n0 is known to 1e+03 ms" in warning for warning in found.warnings)


def test_the_shortest_phase_is_by_the_median_of_its_stretches() -> None:
    """Prefill 2 s and 4 s and 9 s, decode 3 s twice: 4 s and 3 s; two pieces of one phase are one stretch."""
    edges = np.array([0.0, 1, 2, 5, 9, 12, 21])
    phase = ("prefill", "prefill", "decode", "prefill", "decode", "prefill")
    none = np.zeros(6, dtype=np.bool_)
    assert shortest_phase_s(Occupancy(edges, phase, np.zeros(6), none)) == 3.0
    assert shortest_phase_s(Occupancy(np.empty(0), (), np.zeros(0), none[:0])) is None


def test_the_golden_cell_is_of_two_gpus() -> None:
    instances = json.loads((GOLDEN / raw.RUN).read_text())["server_start"]["instances"]
    assert [instance["device_ids"] for instance in instances] == [["gpu0"], ["gpu1"]]
