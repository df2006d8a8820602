"""A RAPL domain measures the energy of its own host's CPU, and has that CPU's role."""

from dataclasses import replace

from fakes.records import Toy, fake_cell

from llmdvfs.analysis.axis.merge import device_roles
from llmdvfs.records.device_id import on_host
from llmdvfs.records.telemetry import TelemetryDevice

CELL = fake_cell(Toy(gpu=False))


def roles(instances: dict[str, tuple[str, ...]], *device_ids: str) -> dict[str, str]:
    """Return the roles of devices, where instances of each role have these devices."""
    start = CELL.run.server_start
    own = tuple(replace(start.instances[0], role=role, device_ids=ids) for role, ids in instances.items())
    run = replace(CELL.run, server_start=replace(start, instances=own))
    kinds = {name: "rapl" if "rapl" in name else "cpu" for name in device_ids}
    devices = tuple(TelemetryDevice(name, kind, name) for name, kind in kinds.items())
    return device_roles(run, replace(CELL.header, devices=devices))


def test_a_rapl_domain_has_the_role_of_the_hosts_cpu() -> None:
    assert roles({"single": ("cpu",)}, "cpu", "rapl-package-0") == {"cpu": "single", "rapl-package-0": "single"}


def test_the_cpu_under_both_roles_is_a_host_and_so_is_its_energy() -> None:
    found = roles({"prefill": ("cpu",), "decode": ("cpu",)}, "cpu", "rapl-package-0")
    assert found == {"cpu": "host", "rapl-package-0": "host"}


def test_a_rapl_domain_of_another_host_is_that_hosts() -> None:
    there = {name: on_host("n1", name) for name in ("cpu", "rapl")}
    found = roles({"prefill": ("cpu",), "decode": (there["cpu"],)}, "cpu", "rapl", there["cpu"], there["rapl"])
    assert found == {"cpu": "prefill", "rapl": "prefill", there["cpu"]: "decode", there["rapl"]: "decode"}


def test_beside_a_gpu_that_serves_a_rapl_domain_serves_nobody() -> None:
    assert roles({"single": ("gpu0",)}, "cpu", "rapl-package-0") == {"gpu0": "single"}
