"""Power of the whole host, by Redfish and by DCMI: what is read, and what is said where nothing can be."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from fakes.bmc import READING, Bmc, redfish, write_ipmitool

from llmdvfs.analysis.recording.summary import summarise_recording
from llmdvfs.doctor.measuring import host_power
from llmdvfs.host.child import library_environment
from llmdvfs.records.telemetry import Reading, SamplerReport, TelemetryDevice, TelemetryHeader
from llmdvfs.telemetry.discover import discover
from llmdvfs.telemetry.host_power import host_power_probes

NS = 10**9
CHASSIS = "/redfish/v1/Chassis"


@pytest.fixture
def bmc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bmc]:
    """A controller that this process trusts."""
    with redfish(tmp_path) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.certificate))
        yield running


def members(*names: str) -> dict[str, object]:
    return {CHASSIS: {"Members": [{"@odata.id": f"{CHASSIS}/{name}"} for name in names]}}


def asked(bmc: Bmc, **env: str) -> dict[str, str]:
    return {
        "LLMDVFS_HOST_POWER": bmc.url,
        "LLMDVFS_REDFISH_USER": bmc.user,
        "LLMDVFS_REDFISH_PASSWORD": bmc.password,
        **env,
    }


def test_an_older_controller_tells_power_control(bmc: Bmc) -> None:
    power = {"PowerControl": [{"MemberId": "0", "PowerConsumedWatts": 412}, {"PowerConsumedWatts": 90}]}
    bmc.resources = members("1") | {
        f"{CHASSIS}/1": {"Id": "1", "Manufacturer": "Any", "Model": "R1", "Power": {"@odata.id": f"{CHASSIS}/1/Power"}},
        f"{CHASSIS}/1/Power": power,
    }
    [probe], absence = host_power_probes(asked(bmc))
    assert absence is None
    assert probe.read().values == {"power_average_w": 412.0}
    assert (probe.device.device_id, probe.device.kind, probe.device.name) == ("host-redfish-1", "host", "Any R1")
    assert bmc.password not in json.dumps(asdict(probe.device))


def test_a_newer_one_tells_environment_metrics_and_a_chassis_inside_another_is_no_host(bmc: Bmc) -> None:
    """A GPU's tray has a power of its own, which the whole chassis' contains."""
    bmc.resources = members("Host", "Tray") | {
        f"{CHASSIS}/Host": {"Id": "Host", "EnvironmentMetrics": {"@odata.id": f"{CHASSIS}/Host/EnvironmentMetrics"}},
        f"{CHASSIS}/Host/EnvironmentMetrics": {"PowerWatts": {"Reading": 5321.5}},
        f"{CHASSIS}/Tray": {
            "Id": "Tray",
            "Links": {"ContainedBy": {"@odata.id": f"{CHASSIS}/Host"}},
            "EnvironmentMetrics": {"@odata.id": f"{CHASSIS}/Tray/EnvironmentMetrics"},
        },
        f"{CHASSIS}/Tray/EnvironmentMetrics": {"PowerWatts": {"Reading": 4100.0}},
    }
    [probe], _ = host_power_probes(asked(bmc))
    assert probe.read().values == {"power_average_w": 5321.5}
    bmc.resources[f"{CHASSIS}/Host/EnvironmentMetrics"] = {"PowerWatts": {"Reading": None}}
    gone = probe.read()
    assert gone.values == {"power_average_w": None}
    assert "tells no power any more" in gone.errors["power_average_w"]
    del bmc.resources[f"{CHASSIS}/Host/EnvironmentMetrics"]
    assert "404" in probe.read().errors["power_average_w"]


def test_what_cannot_be_read_is_absent_with_its_reason(bmc: Bmc, monkeypatch: pytest.MonkeyPatch) -> None:
    bmc.resources = members("1") | {f"{CHASSIS}/1": {"Id": "1"}}
    assert "none of its 1 chassis tells a power" in str(host_power_probes(asked(bmc))[1])
    assert "401" in str(host_power_probes(asked(bmc, LLMDVFS_REDFISH_PASSWORD="wrong"))[1])
    with_user = asked(bmc, LLMDVFS_HOST_POWER="https://me:pass@bmc")
    assert "holds a user or password; expected them in LLMDVFS_REDFISH_USER" in str(host_power_probes(with_user)[1])
    http = asked(bmc, LLMDVFS_HOST_POWER=bmc.url.replace("https", "http"))
    assert "expected dcmi, or a Redfish address that begins with https://" in str(host_power_probes(http)[1])
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "certificate verify failed" in str(host_power_probes(asked(bmc))[1])


def test_nobody_is_asked_unasked(tmp_path: Path) -> None:
    assert host_power_probes({}) == ((), None)


def test_ipmitool_tells_the_instantaneous_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ipmitool(tmp_path, READING.format(power_w=214, state="activated"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    [probe], _ = host_power_probes({"LLMDVFS_HOST_POWER": "dcmi"})
    assert probe.read().values == {"power_average_w": 214.0}
    write_ipmitool(tmp_path, READING.format(power_w=0, state="deactivated"))
    off = probe.read()
    assert off.values == {"power_average_w": None}  # not 0 W
    assert "deactivated" in off.errors["power_average_w"]


@pytest.mark.parametrize("answer", ["", "Could not open device at /dev/ipmi0\n"])
def test_a_host_without_a_controller_says_so(answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ipmitool is not on PATH" in str(host_power_probes({"LLMDVFS_HOST_POWER": "dcmi"})[1])
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    write_ipmitool(tmp_path, answer, code=1)
    probes, absence = host_power_probes({"LLMDVFS_HOST_POWER": "dcmi"})
    assert probes == ()
    assert "expected an instantaneous power reading; needs root and /dev/ipmi0" in str(absence)
    monkeypatch.setenv("LLMDVFS_HOST_POWER", "dcmi")
    assert absence in discover(()).absences


def test_the_host_is_a_device_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 W for 10 s are 4000 J, by the trapezoid of eleven readings; what the host has for energy is as without it."""
    device = TelemetryDevice("host-dcmi", "host", "ipmitool", energy_source="bmc_power")
    readings = [Reading("host-dcmi", n * NS, n * NS + 1, {"power_average_w": 400.0}) for n in range(11)]
    header = TelemetryHeader((device,), 0.1, None, 0, 0.0, "none")
    report = SamplerReport(11, 0, 11, 0.0, 0.0, 0, None)
    [told] = summarise_recording(header, readings, report).devices
    assert told.energy_j == pytest.approx(4000.0)
    write_ipmitool(tmp_path, READING.format(power_w=214, state="activated"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    without = discover((), rapl_root=tmp_path)
    monkeypatch.setenv("LLMDVFS_HOST_POWER", "dcmi")
    found = discover((), rapl_root=tmp_path)
    assert [one.device_id for one in found.devices] == ["host-dcmi", *(one.device_id for one in without.devices)]
    assert found.energy_source == without.energy_source == "none"


def test_doctor_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(host_power()) == []
    monkeypatch.setenv("LLMDVFS_HOST_POWER", "dcmi")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    [check] = host_power()
    assert (check.status, check.advice) == (
        "warning",
        "mend it, or unset LLMDVFS_HOST_POWER: the rest is measured all the same",
    )
    write_ipmitool(tmp_path, READING.format(power_w=214, state="activated"))
    [check] = host_power()
    assert (check.status, check.seen) == ("ok", "host-dcmi 214 W")


def test_monitor_records_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sampler, in its own process, asks once a second at most, whatever the interval."""
    write_ipmitool(tmp_path, READING.format(power_w=214, state="activated"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("LLMDVFS_HOST_POWER", "dcmi")
    command = [sys.executable, "-m", "llmdvfs", "monitor", "--gpus", "none", "--interval", "0.1", "--duration", "2.5"]
    command += ["--json", str(tmp_path / "out.json")]
    subprocess.run(command, check=True, capture_output=True, env=library_environment())
    record = json.loads((tmp_path / "out.json").read_text())
    [host] = [one for one in record["devices"] if one["device"]["device_id"] == "host-dcmi"]
    assert host["mean_power_w"] == pytest.approx(214.0)
    assert 2 <= host["statistics"]["power_average_w"]["n"] <= 4
