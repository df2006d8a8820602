"""Power of the whole host, as its management controller (BMC) tells it: where the environment says how to ask.

LLMDVFS_HOST_POWER=dcmi asks the host's own controller by `ipmitool`, LLMDVFS_HOST_POWER=https://bmc-of-{host}.example
one over the network by Redfish; `{host}` is this host's name, so that one setting serves all nodes of a cluster. It is
no key of a study: it does not change what is measured. Nothing is asked unasked, since a controller's own interface
may take a core of the host while it answers.
"""

import os
import socket
from collections.abc import Mapping, Sequence

from llmdvfs.errors import TelemetryError
from llmdvfs.telemetry.dcmi import dcmi_probe
from llmdvfs.telemetry.device import Probe

VARIABLE = "LLMDVFS_HOST_POWER"
HOST = "{host}"


def host_power_probes(env: Mapping[str, str] = os.environ) -> tuple[Sequence[Probe], str | None]:
    """Return the probes of the host's power, or none and the reason; neither where nobody asks for them.

    A controller that does not answer ends no measurement: what it would have told is absent.
    """
    wanted = env.get(VARIABLE, "")
    if not wanted:
        return (), None
    try:
        if wanted == "dcmi":
            return [dcmi_probe()], None
        if wanted.startswith("https://"):
            # Here, since every cell's sampler would wait for its HTTP library.
            from llmdvfs.telemetry.redfish import redfish_probes

            return redfish_probes(wanted.replace(HOST, socket.gethostname().split(".")[0]), env), None
    except TelemetryError as error:
        return (), f"no power of the host: {error}"
    return (
        (),
        f"no power of the host: {VARIABLE}={wanted!r}: expected dcmi, or a Redfish address that begins with https://",
    )
