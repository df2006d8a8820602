"""Power of the host from its own management controller by DCMI (IPMI), read with the tool `ipmitool`."""

import re
import shutil
import subprocess

from llmdvfs.errors import TelemetryError
from llmdvfs.records.telemetry import TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample

COMMAND = ("dcmi", "power", "reading")
LIMIT_S = 3.0
POWER_W = re.compile(r"Instantaneous power reading\s*:\s*(\d+)\s*Watts")
STATE = re.compile(r"Power reading state is\s*:\s*(\w+)")
ON = "activated"


class DcmiProbe:
    """The host's power, as its controller tells it now; watts, whole ones."""

    cadence: Cadence = "bmc"

    def __init__(self, tool: str) -> None:
        """Take the path of ipmitool."""
        self._tool = tool
        self.device = TelemetryDevice("host-dcmi", "host", "ipmitool dcmi power reading", energy_source="bmc_power")

    def read(self) -> Sample:
        """Ask the controller."""
        try:
            return Sample({"power_average_w": self.power_w()})
        except TelemetryError as error:
            return Sample({"power_average_w": None}, {"power_average_w": str(error)})

    def power_w(self) -> float:
        """Return the power [W]; TelemetryError where ipmitool or the controller cannot tell it."""
        command = [self._tool, *COMMAND]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TelemetryError(f"{' '.join(command)}: {error}") from error
        try:
            return parsed_w(done.stdout)
        except TelemetryError as error:
            why = f" ({done.stderr.strip()[:200]})" if done.stderr.strip() else ""
            raise TelemetryError(f"{' '.join(command)}: {error}{why}") from error


def dcmi_probe() -> DcmiProbe:
    """Return the probe of this host's controller; TelemetryError where there is no ipmitool, or it gets no power."""
    tool = shutil.which("ipmitool")
    if tool is None:
        raise TelemetryError("ipmitool is not on PATH; install it, or ask the controller by Redfish")
    probe = DcmiProbe(tool)
    probe.power_w()
    return probe


def parsed_w(text: str) -> float:
    """Return the power [W] that ipmitool's answer tells; TelemetryError where it tells none.

    A controller that does not measure answers 0 W and says that it is `deactivated`: that is no power of 0.
    """
    power, state = POWER_W.search(text), STATE.search(text)
    if power is None:
        raise TelemetryError(
            f"{text.strip()[:80]!r}: expected an instantaneous power reading; needs root and /dev/ipmi0"
        )
    if state is not None and state[1] != ON:
        raise TelemetryError(f"the controller's power reading is {state[1]}; expected {ON}: see `ipmitool dcmi power`")
    return float(power[1])
