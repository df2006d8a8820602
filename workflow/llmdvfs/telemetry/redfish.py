"""Power of the host from its management controller by Redfish: JSON over HTTPS, in DMTF's schemas (DSP0268).

Each chassis that is inside no other one and tells a power is a device: `EnvironmentMetrics.PowerWatts.Reading`, or
`Power.PowerControl[0].PowerConsumedWatts` of older controllers. Two of them are never added: which of them feeds which
only the vendor knows. The user is LLMDVFS_REDFISH_USER, the password LLMDVFS_REDFISH_PASSWORD; neither is recorded. A
controller whose certificate is its own is trusted by REQUESTS_CA_BUNDLE, the file with it.
"""

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from llmdvfs.errors import TelemetryError
from llmdvfs.records.api_key import REDFISH_PASSWORD_VARIABLE
from llmdvfs.records.telemetry import TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample

USER = "LLMDVFS_REDFISH_USER"
ROOT = "/redfish/v1/Chassis"
LIMIT_S = 3.0


class Controller:
    """One management controller, asked over one connection."""

    def __init__(self, url: str, env: Mapping[str, str]) -> None:
        """Take its address; TelemetryError where it holds a user or password, which would be recorded with it."""
        if urlsplit(url).username or urlsplit(url).password:
            raise TelemetryError(
                f"the Redfish address holds a user or password; expected them in {USER} and {REDFISH_PASSWORD_VARIABLE}"
            )
        self.url = url
        self._http = requests.Session()
        if env.get(USER):
            self._http.auth = (env[USER], env.get(REDFISH_PASSWORD_VARIABLE, ""))

    def get(self, path: str) -> dict[str, Any]:
        """Return a resource; TelemetryError where the controller does not answer with one."""
        try:
            reply = self._http.get(urljoin(self.url, path), timeout=LIMIT_S, allow_redirects=False)
            reply.raise_for_status()
            resource = reply.json()
        except (OSError, ValueError) as error:
            raise TelemetryError(f"{self.url}{path}: {error}; expected a Redfish resource ({USER}?)") from error
        if not isinstance(resource, dict):
            raise TelemetryError(f"{self.url}{path}: {resource!r:.60}; expected a Redfish resource")
        return resource


class RedfishProbe:
    """The power of one chassis, as its controller tells it."""

    cadence: Cadence = "bmc"

    def __init__(self, controller: Controller, chassis: Mapping[str, Any], path: str) -> None:
        """Take the resource at `path`, which tells the chassis' power."""
        self._controller, self._path = controller, path
        self.device = TelemetryDevice(
            device_id=f"host-redfish-{chassis.get('Id', 'chassis')}",
            kind="host",
            name=" ".join(str(chassis[key]) for key in ("Manufacturer", "Model") if chassis.get(key)) or "chassis",
            details={"address": controller.url, "resource": path},
            energy_source="bmc_power",
        )

    def read(self) -> Sample:
        """Ask the controller."""
        try:
            power_w = told_w(self._controller.get(self._path))
        except TelemetryError as error:
            return Sample({"power_average_w": None}, {"power_average_w": str(error)})
        if power_w is None:
            return Sample({"power_average_w": None}, {"power_average_w": f"{self._path} tells no power any more"})
        return Sample({"power_average_w": power_w})


def redfish_probes(url: str, env: Mapping[str, str]) -> list[RedfishProbe]:
    """Return a probe for each outermost chassis that tells a power; TelemetryError where there is none."""
    controller = Controller(url, env)
    members = [str(member["@odata.id"]) for member in controller.get(ROOT).get("Members", []) if "@odata.id" in member]
    probes = []
    for chassis in map(controller.get, members):
        if chassis.get("Links", {}).get("ContainedBy"):
            continue
        linked = (chassis.get(name, {}).get("@odata.id") for name in ("EnvironmentMetrics", "Power"))
        paths = [path for path in linked if path and told_w(controller.get(path)) is not None]
        probes += [RedfishProbe(controller, chassis, paths[0])] if paths else []
    if not probes:
        raise TelemetryError(
            f"{url}: none of its {len(members)} chassis tells a power; expected PowerWatts or PowerControl"
        )
    return probes


def told_w(resource: Mapping[str, Any]) -> float | None:
    """Return the power [W] that EnvironmentMetrics or Power tells; None where it tells none."""
    told = (resource.get("PowerWatts") or {}).get("Reading")
    controls = resource.get("PowerControl") or [{}]
    value = controls[0].get("PowerConsumedWatts") if told is None else told
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
