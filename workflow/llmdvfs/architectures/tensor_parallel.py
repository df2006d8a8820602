"""`tensor_parallel-N`: one instance whose layers are split over N GPUs."""

import re

from llmdvfs.architectures.architecture import Architecture, ArchitectureChoice


def _choose(match: re.Match[str]) -> ArchitectureChoice:
    return ArchitectureChoice("tensor_parallel", {"single": 1}, tensor_parallel_size=int(match["n"] or 2))


TENSOR_PARALLEL = Architecture(
    name="tensor_parallel",
    forms=("tensor_parallel", "tensor_parallel-N"),
    pattern=r"tensor_parallel(-(?P<n>[2-9]|[1-9]\d))?",
    choose=_choose,
    roles=("single",),
    front_door="none",
)
