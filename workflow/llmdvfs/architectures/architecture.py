"""What an architecture is: the names by which it is asked for, its instances, and what clients talk to."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from llmdvfs.records.spec import Role

FrontDoor = Literal["none", "balancer", "prefill_decode"]
"""none: clients talk to the one server; balancer and prefill_decode: to the proxy, or as it would (`serving.route`)."""


@dataclass(frozen=True, slots=True)
class ArchitectureChoice:
    """An architecture with its numbers, as a name such as `disaggregated-2p1d-nixl` asks for it."""

    name: str
    """Key of the architecture in the table."""
    num_instances: dict[Role, int]
    """Number of instances by role; empty where they are somebody else's."""
    tensor_parallel_size: int = 1
    """GPUs of every instance; an engine setting of the configuration goes before it."""
    connector: str | None = None
    """Of `disaggregated` only: a connector's name or "auto"."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture: a row of the table."""

    name: str
    forms: tuple[str, ...]
    """The ways in which it can be written, for people, e.g. `replicated-N`."""
    pattern: str
    """Regular expression that matches these forms."""
    choose: Callable[[re.Match[str]], ArchitectureChoice] = field(repr=False)
    roles: tuple[Role, ...]
    """Roles of its instances; empty where they are somebody else's."""
    front_door: FrontDoor
