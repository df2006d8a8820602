"""What an architecture is: the names it is asked for by, its instances and what stands before them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from llmdvfs.records.spec import Role

FrontDoor = Literal["none", "balancer", "prefill_decode"]
"""none: clients talk to the one server; balancer and prefill_decode: they talk to the proxy."""


@dataclass(frozen=True, slots=True)
class ArchitectureChoice:
    """One architecture with its numbers, as a name like `disaggregated-2p1d-nixl` asks for it."""

    name: str
    """Key of the table."""
    num_instances: dict[Role, int]
    """Empty where the instances are somebody else's."""
    tensor_parallel_size: int = 1
    """Of every instance; an explicit engine setting goes before it."""
    connector: str | None = None
    """`disaggregated` only: a connector's name or "auto"."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One row of the table."""

    name: str
    forms: tuple[str, ...]
    """How it can be written, for people, e.g. `replicated-N`."""
    pattern: str
    """Regular expression of these forms."""
    choose: Callable[[re.Match[str]], ArchitectureChoice] = field(repr=False)
    roles: tuple[Role, ...]
    """Of its instances; empty where they are somebody else's."""
    front_door: FrontDoor
