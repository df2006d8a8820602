"""An architecture: `mirrored`, always three single instances behind the balancer."""

import re

from llmdvfs.architectures.architecture import Architecture, ArchitectureChoice


def _choose(match: re.Match[str]) -> ArchitectureChoice:
    return ArchitectureChoice("mirrored", {"single": 3})


MIRRORED = Architecture(
    name="mirrored",
    forms=("mirrored",),
    pattern="mirrored",
    choose=_choose,
    roles=("single",),
    front_door="balancer",
)
