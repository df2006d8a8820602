"""`replicated-N`: N single instances behind the proxy, which balances between them."""

import re

from llmdvfs.architectures.architecture import Architecture, ArchitectureChoice


def _choose(match: re.Match[str]) -> ArchitectureChoice:
    return ArchitectureChoice("replicated", {"single": int(match["n"] or 2)})


REPLICATED = Architecture(
    name="replicated",
    forms=("replicated", "replicated-N"),
    pattern=r"replicated(-(?P<n>[1-9]\d?))?",
    choose=_choose,
    roles=("single",),
    front_door="balancer",
)
