"""`single`: one instance that clients talk to directly."""

from llmdvfs.architectures.architecture import Architecture, ArchitectureChoice

SINGLE = Architecture(
    name="single",
    forms=("single",),
    pattern=r"single",
    choose=lambda match: ArchitectureChoice("single", {"single": 1}),
    roles=("single",),
    front_door="none",
)
