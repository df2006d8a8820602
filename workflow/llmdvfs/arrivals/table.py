"""Table of all kinds of arrivals: adding one is a file and a line here."""

from llmdvfs.arrivals.closed import CLOSED
from llmdvfs.arrivals.constant import CONSTANT
from llmdvfs.arrivals.gamma import GAMMA, POISSON
from llmdvfs.arrivals.kind import ArrivalKind
from llmdvfs.arrivals.ramp import RAMP
from llmdvfs.arrivals.trace import TRACE
from llmdvfs.arrivals.waves import WAVES
from llmdvfs.errors import ConfigError

ARRIVALS: dict[str, ArrivalKind] = {kind.name: kind for kind in (CLOSED, WAVES, POISSON, GAMMA, CONSTANT, RAMP, TRACE)}


def arrival_kind(name: str) -> ArrivalKind:
    """Return the kind with this name; ConfigError lists the known ones."""
    try:
        return ARRIVALS[name]
    except KeyError:
        raise ConfigError(f"arrival kind {name!r} is not known; expected one of {', '.join(ARRIVALS)}") from None
